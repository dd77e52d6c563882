// Elements from data. Text is always text: nothing that comes from outside is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `tag` with the prefix "svg:" is one of SVG. In `props`: `class`, `text`, `on` (listeners by event), `style`
 * (custom or other properties, set one by one as a strict CSP allows), `data`, booleans (present or absent), other attributes.
 */
export function el(tag, props = {}, ...children) {
  const node = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [key, value] of Object.entries(props)) set(node, key, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, key, value) {
  if (value === null || value === undefined) return;
  if (key === "text") node.textContent = value;
  else if (key === "on") for (const [name, listen] of Object.entries(value)) node.addEventListener(name, listen);
  else if (key === "style") for (const [name, own] of Object.entries(value)) node.style.setProperty(name, own);
  else if (key === "data") Object.assign(node.dataset, value);
  else if (key === "value" && "value" in node) node.value = value;
  else if (typeof value === "boolean" && !key.startsWith("aria-")) node.toggleAttribute(key, value);
  else node.setAttribute(key, value);
}

/** Sets text only where it differs: what stands still is not laid out again, and not read out again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute only where it differs; null removes it. */
export function mark(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Places an element at a point of its parent, in fractions of that; `side`: a unit vector, to stand beside the point that way. */
export function place(node, [x, y], side = null) {
  node.style.setProperty("left", `${x * 100}%`);
  node.style.setProperty("top", `${y * 100}%`);
  if (!side) return;
  node.style.setProperty("--nx", side[0].toFixed(3));
  node.style.setProperty("--ny", side[1].toFixed(3));
}

/**
 * Makes the children of `parent` those of `items`, keeping the element of each key: what the user has focused or selected
 * stays. `make(item)` gives an element, `update(element, item)` brings it up to date.
 */
export function reconcile(parent, items, keyOf, make, update = () => {}) {
  const kept = (parent._kept ??= new Map());
  const wanted = new Set();
  let before = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let node = kept.get(key);
    if (!node) kept.set(key, (node = make(item)));
    update(node, item);
    if (node === before) before = before.nextSibling;
    else parent.insertBefore(node, before);
  }
  for (const [key, node] of kept) {
    if (wanted.has(key)) continue;
    node._gone?.();
    node.remove();
    kept.delete(key);
  }
}

/** A number of elements of one kind, made when first needed and hidden when not: for what changes with every frame. */
export class Pool {
  #parent;
  #make;
  #nodes = [];

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  /** Calls `update(node, item)` for each item and hides the rest. */
  show(items, update) {
    items.forEach((item, i) => {
      let node = this.#nodes[i];
      if (!node) {
        node = this.#make();
        this.#nodes.push(node);
        this.#parent.append(node);
      }
      node.removeAttribute("hidden");
      node.style.removeProperty("display");
      update(node, item);
    });
    for (const node of this.#nodes.slice(items.length)) node.style.setProperty("display", "none");
  }
}

let last = 0;
/** An id for labels and what they label. */
export const uid = (word) => `${word}-${++last}`;

// The editor's side of the picture: handles, drawing with pointer and keys. What it changes are drafts; it asks its editor to draw anew.
import { el, mark, place, reconcile } from "../dom.js";
import { pathOf, snap, straighten, tidy } from "../geometry.js";
import { LEAST, MOST, closed } from "../kinds.js";
import * as d from "./drafts.js";

const STEP = 0.002; // of the picture, for one press of an arrow key
const FAR = 10; // times as much with Shift
const DRAG = 10; // pixels from which on a press is a drag
const CLOSE = 16; // pixels around the first point, in which a click closes the area
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class EditStage {
  #editor;
  #picture;
  #press = null;
  /** Where the pointer is while a shape is drawn. */
  #hover = null;
  #off = new AbortController();

  constructor(editor, picture) {
    this.#editor = editor;
    this.#picture = picture;
    const root = picture.root;
    root.classList.add("edited");
    root.tabIndex = -1;
    mark(root, "role", "group");
    mark(root, "aria-label", "The picture, to draw in");
    this.layer = el("div", { class: "handles" });
    picture.extra.replaceChildren(this.layer);
    const options = { signal: this.#off.signal };
    root.addEventListener("pointerdown", (event) => this.#down(event), options);
    root.addEventListener("pointermove", (event) => this.#move(event), options);
    root.addEventListener("pointerup", (event) => this.#up(event), options);
    root.addEventListener("pointercancel", () => (this.#press = null), options);
    root.addEventListener("dblclick", () => this.#editor.drawing && this.finish(), options);
    root.addEventListener("pointerleave", () => ((this.#hover = null), this.#band()), options);
    root.addEventListener("keydown", (event) => this.#key(event), options);
  }

  destroy() {
    this.#off.abort();
    this.#picture.root.classList.remove("edited", "drawing");
    for (const name of ["tabindex", "role", "aria-label"]) this.#picture.root.removeAttribute(name);
    this.#picture.top.replaceChildren();
    this.#picture.extra.replaceChildren();
  }

  /** Draws handles of the chosen draft. */
  draw() {
    const { selected, drawing, point } = this.#editor;
    this.#picture.root.classList.toggle("drawing", drawing);
    const shown = selected && !selected.removed && selected.editable;
    const all = shown ? d.handles(selected) : [];
    const middles = shown && !drawing ? d.gaps(selected) : [];
    reconcile(
      this.layer,
      [...all, ...middles.map((gap) => ({ ...gap, part: "gap" }))],
      ({ part, index }) => `${part}-${index}`,
      ({ part }) => el("button", { type: "button", class: `handle ${part}` }),
      (node, handle) => this.#updateHandle(node, handle, point),
    );
    this.#band();
  }

  #updateHandle(node, handle, point) {
    node._handle = handle;
    place(node, handle.at);
    const words = handle.part === "gap" ? `Add a point before point ${handle.index + 1}` : `${handle.words}: ${(handle.at[0] * 100).toFixed(1)} % across, ${(handle.at[1] * 100).toFixed(1)} % down`;
    mark(node, "aria-label", words);
    mark(node, "data-key", `${handle.part}-${handle.index}`);
    mark(node, "data-number", handle.part === "points" ? handle.index + 1 : null);
    node.tabIndex = handle.part === "gap" ? -1 : 0;
    node.classList.toggle("chosen", point?.part === handle.part && point?.index === handle.index);
    node.onfocus = () => handle.part !== "gap" && this.#editor.choosePoint({ part: node._handle.part, index: node._handle.index });
  }

  /** The line that follows the pointer while a shape is drawn. */
  #band() {
    const { drawing, selected } = this.#editor;
    this.#picture.top.replaceChildren();
    if (!drawing || !this.#hover || !selected?.points.length) return;
    const points = this.#press?.dragging ? d.dragged(d.shapeOf(selected), selected.points[0], this.#hover) : [selected.points.at(-1), this.#hover];
    const path = pathOf(points, this.#press?.dragging && d.isClosed(selected));
    this.#picture.top.append(el("svg:path", { class: "rubber casing", d: path }), el("svg:path", { class: "rubber", d: path }));
  }

  /** A pointer's place in the picture. */
  #at(event) {
    const box = this.#picture.root.getBoundingClientRect();
    return [Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)), Math.min(1, Math.max(0, (event.clientY - box.top) / box.height))];
  }

  get #size() {
    return this.#picture.root.getBoundingClientRect();
  }

  /** Snaps to other points; with Shift to level, upright and diagonal; with Alt to nothing. */
  #fit(point, event, from = null, but = null) {
    if (event.altKey) return point;
    if (event.shiftKey && from) return straighten(point, from, this.#picture.ratio);
    const others = this.#editor.drafts.filter((x) => !x.removed).flatMap((draft) => d.handles(draft).filter((h) => !(but && draft === this.#editor.selected && h.part === but.part && h.index === but.index)).map((h) => h.at));
    return snap(point, others, this.#size);
  }

  #down(event) {
    if (event.button || this.#press) return;
    const at = this.#at(event);
    const handle = event.target.closest?.(".handle")?._handle;
    const { drawing, selected } = this.#editor;
    if (drawing) {
      event.preventDefault();
      const near = closed(d.shapeOf(selected)) && selected.points.length >= LEAST[d.shapeOf(selected)] && this.#near(event, selected.points[0]);
      this.#press = near ? { close: true } : { begin: at, x: event.clientX, y: event.clientY, first: !selected.points.length };
      if (!near && !selected.points.length) selected.points.push(tidy(this.#fit(at, event)));
      else if (!near) this.#press.pending = this.#fit(at, event, selected.points.at(-1));
    } else if (handle) {
      event.preventDefault();
      this.#take(handle);
    } else {
      const draft = this.#hit(event);
      if (!draft) return this.#editor.choosePoint(null);
      event.preventDefault();
      if (draft !== selected) this.#editor.select(draft);
      if (draft.editable) this.#press = { whole: true, last: at, moved: false };
    }
    this.#picture.root.setPointerCapture(event.pointerId);
    this.#editor.redraw();
  }

  #take(handle) {
    if (handle.part === "gap") {
      d.insertPoint(this.#editor.selected, handle.index, handle.at);
      handle = { part: "points", index: handle.index };
    }
    const { part, index } = handle;
    this.#press = { handle: { part, index }, moved: false };
    this.#editor.choosePoint({ part, index });
    this.#editor.redraw();
    this.focus({ part, index });
  }

  #near(event, point) {
    const box = this.#size;
    return Math.hypot(event.clientX - box.left - point[0] * box.width, event.clientY - box.top - point[1] * box.height) < CLOSE;
  }

  /** The draft under the pointer: shapes know whose they are. */
  #hit(event) {
    return event.target.closest?.(".shape")?._rule?.draft ?? null;
  }

  #move(event) {
    const at = this.#at(event);
    const { selected, drawing } = this.#editor;
    const press = this.#press;
    this.#hover = drawing ? this.#fit(at, event, selected.points.at(-1)) : null;
    if (press?.handle) {
      const neighbours = press.handle.part === "points" ? selected.points : selected.options.arrow;
      const from = neighbours[press.handle.index - 1] ?? neighbours[press.handle.index + 1];
      d.movePoint(selected, press.handle, this.#fit(at, event, from, press.handle));
      press.moved = true;
      this.#editor.redraw();
    } else if (press?.whole) {
      const [dx, dy] = d.moveAll(selected, at[0] - press.last[0], at[1] - press.last[1]);
      press.last = [press.last[0] + dx, press.last[1] + dy];
      press.moved ||= Boolean(dx || dy);
      this.#editor.redraw();
    } else if (press?.first && Math.hypot(event.clientX - press.x, event.clientY - press.y) > DRAG) {
      press.dragging = true;
    }
    if (drawing) this.#band();
  }

  #up(event) {
    const press = this.#press;
    this.#press = null;
    if (!press) return;
    const { selected } = this.#editor;
    if (press.close) return this.finish();
    if (press.handle || press.whole) return press.moved ? this.#editor.changed() : this.#editor.redraw();
    const shape = d.shapeOf(selected);
    if (press.dragging) {
      selected.points = d.dragged(shape, selected.points[0], this.#fit(this.#at(event), event, selected.points[0]));
      return this.finish();
    }
    if (press.pending && !this.#near(event, selected.points.at(-1))) selected.points.push(tidy(press.pending));
    if (MOST[shape] !== null && selected.points.length >= MOST[shape]) return this.finish();
    this.#editor.redraw();
  }

  /** Ends the drawing of a shape, if it has points enough. */
  finish() {
    const { selected } = this.#editor;
    if (!selected || selected.points.length < LEAST[d.shapeOf(selected)]) return false;
    this.#hover = null;
    d.complete(selected);
    this.#editor.drawn();
    return true;
  }

  focus(handle) {
    this.layer.querySelector(`[data-key="${handle.part}-${handle.index}"]`)?.focus({ preventScroll: true });
  }

  #key(event) {
    const { selected, drawing, point } = this.#editor;
    if (!selected || drawing || !event.target.closest(".handle") || !point) return;
    const by = ARROWS[event.key];
    if (by && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const step = STEP * (event.shiftKey ? FAR : 1);
      const [x, y] = d.pointOf(selected, point);
      d.movePoint(selected, point, [x + by[0] * step, y + by[1] * step * this.#picture.ratio]);
      this.#editor.changed({ soon: true });
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (!d.removePoint(selected, point)) return this.#editor.say("it needs all of its points");
      const next = { part: "points", index: Math.max(0, point.index - 1) };
      this.#editor.choosePoint(next);
      this.#editor.changed();
      this.focus(next);
    } else if (event.key === "+" || event.key === "Insert") {
      this.#add(point);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** A new point after the chosen one, half way to the next. */
  #add(point) {
    const { selected } = this.#editor;
    const gaps = d.gaps(selected);
    if (point.part !== "points" || !gaps.length) return;
    const gap = gaps[Math.min(point.index, gaps.length - 1)];
    d.insertPoint(selected, gap.index, gap.at);
    const next = { part: "points", index: gap.index };
    this.#editor.choosePoint(next);
    this.#editor.changed();
    this.focus(next);
  }
}

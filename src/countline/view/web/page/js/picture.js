// A live picture with what is drawn over it. The overlay's coordinates are the stored ones: viewBox 0 0 1 1. What must keep its
// shape (words, arrows, handles) is HTML, placed in percent.
import { el, mark, place, Pool, say } from "./dom.js";
import { drawRules } from "./overlay.js";
import { stateWords } from "./format.js";

export class Picture {
  ratio = 16 / 9;
  /** Objects of the frame that is shown. */
  objects = [];
  onObject = null;
  onRatio = null;
  held = false;

  #canvas = el("canvas", { width: 16, height: 9 });
  #rulesLayer = el("svg:g", { class: "rules" });
  #objectsLayer = el("svg:g", { class: "objects" });
  #labels = el("div", { class: "labels" });
  #tags = el("div", { class: "tags" });
  #waiting = el("div", { class: "waiting" });
  #boxes;
  #tagPool;
  #countUpdates = [];
  #seen = false;

  /** `detail`: with names and ids, and objects that can be chosen; else as small as on the wall. */
  constructor({ detail = false } = {}) {
    this.detail = detail;
    this.top = el("svg:g", { class: "top" });
    this.svg = el(
      "svg:svg",
      { class: "overlay", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" },
      this.#rulesLayer,
      this.#objectsLayer,
      this.top,
    );
    /** Layer for what a view adds as HTML: handles, marks. */
    this.extra = el("div", { class: "extra" });
    this.root = el("div", { class: `picture${detail ? " detail" : ""}` }, this.#canvas, this.svg, this.#tags, this.#labels, this.extra, this.#waiting);
    this.#boxes = new Pool(this.#objectsLayer, () => this.#makeBox());
    this.#tagPool = new Pool(this.#tags, () => el("span", { class: "tag" }, el("b"), el("span")));
  }

  #makeBox() {
    const box = el("svg:rect", { class: "box" });
    if (this.detail) box.addEventListener("click", () => this.onObject?.(box._id));
    return box;
  }

  /** What is known of the source: its shape, and what to say while there is no picture. */
  setSource(source) {
    if (source.width && source.height) this.setRatio(source.width / source.height);
    const quiet = source.state === "live" || source.state === "degraded";
    say(this.#waiting, this.#seen ? "" : quiet ? "waiting for the first picture" : stateWords(source.state)[0].toLowerCase());
    mark(this.root, "data-stale", source.state === "live" || source.state === "degraded" || source.state === "ended" ? null : "");
  }

  setRatio(ratio) {
    if (Math.abs(ratio - this.ratio) < 1e-3) return;
    this.ratio = ratio;
    this.root.style.setProperty("--ratio", ratio.toFixed(4));
    this.onRatio?.();
  }

  /** Draws rules anew; `counts(rule, direction)` and `occupancy(rule)` give what stands beside them. */
  setRules(rules, lookUp, onRule = null) {
    this.#countUpdates = drawRules(this, this.#rulesLayer, this.#labels, rules, lookUp, onRule);
  }

  updateCounts() {
    for (const update of this.#countUpdates) update();
  }

  /** A frame: its picture (null where the run has no pixels) and its objects. */
  show({ meta, bitmap }) {
    if (this.held) return;
    if (bitmap) this.#paint(meta, bitmap);
    else if (meta.width && meta.height) this.setRatio(meta.width / meta.height);
    if (!this.#seen) {
      this.#seen = true;
      say(this.#waiting, "");
      this.root.classList.add("seen");
    }
    this.#showObjects(meta.objects ?? []);
  }

  #paint(meta, bitmap) {
    if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
      this.#canvas.width = bitmap.width;
      this.#canvas.height = bitmap.height;
      this.setRatio((meta.width || bitmap.width) / (meta.height || bitmap.height));
    }
    this.#canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  }

  #showObjects(objects) {
    const size = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
    // the smallest on top, so that it can be chosen, too
    this.objects = [...objects].sort((a, b) => size(b) - size(a));
    this.#boxes.show(this.objects, (node, { id, box: [x1, y1, x2, y2], counted }) => {
      node._id = id;
      node.setAttribute("x", x1);
      node.setAttribute("y", y1);
      node.setAttribute("width", Math.max(0, x2 - x1));
      node.setAttribute("height", Math.max(0, y2 - y1));
      node.classList.toggle("counted", Boolean(counted));
      node.classList.toggle("chosen", Boolean(id) && id === this.chosen);
    });
    if (!this.detail) return;
    this.#tagPool.show(this.objects, (node, { id, label, box, counted }) => {
      say(node.firstChild, id ?? "");
      say(node.lastChild, label ?? "");
      node.classList.toggle("counted", Boolean(counted));
      node.classList.toggle("chosen", Boolean(id) && id === this.chosen);
      place(node, [box[0], box[1]]);
    });
  }
}

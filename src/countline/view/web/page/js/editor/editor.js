// Drawing and editing rules over the live picture of a camera.
import { el, mark, say } from "../dom.js";
import { openDialog } from "../dialogs.js";
import { many } from "../format.js";
import { icon, iconButton } from "../icons.js";
import { bind } from "../keys.js";
import { KINDS, LEAST } from "../kinds.js";
import { readRules } from "../rules.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import * as d from "./drafts.js";
import { Form } from "./form.js";
import { PreviewPanel } from "./preview.js";
import { EditStage } from "./stage.js";
import { workAt } from "./work.js";

const TOOL_KEYS = { line: "l", region: "g", direction: "d", speed: "k", queue: "q", "wrong-way": "y" };

export class Editor {
  selected = null;
  point = null;
  drawing = false;
  /** Whether it was closed: what comes for it now is too late. */
  closed = false;
  #off = [];
  #soon = null;

  constructor({ source, picture, tools, done }) {
    this.source = source;
    this.work = workAt(source);
    this.picture = picture;
    this.done = done;
    this.form = new Form(this);
    this.preview = new PreviewPanel(this);
    this.side = el("aside", { class: "side-column editor", "aria-label": "Editor" }, this.#build(tools), this.form.root, this.preview.content, this.preview.footer);
    this.stage = new EditStage(this, picture);
    this.#begin();
    this.#off.push(bind("Editing", this.#keys()));
  }

  #begin() {
    this.work.resume();
    this.work.listen = (told) => this.#settled(told);
    this.redraw();
    this.form.show();
    queueMicrotask(() => this.closed || this.rulesChanged()); // when it stands where it belongs
  }

  get drafts() {
    return this.work.drafts;
  }

  set drafts(drafts) {
    this.work.drafts = drafts;
  }

  destroy() {
    this.closed = true;
    clearTimeout(this.#soon);
    this.work.leave();
    for (const off of this.#off) off();
    this.stage.destroy();
    this.toolbar.parentNode?.replaceChildren();
    this.picture.setRules([], null);
  }

  #keys() {
    const tools = Object.fromEntries(Object.entries(TOOL_KEYS).map(([kind, key]) => [key, [`Draw: ${KINDS[kind].words.toLowerCase()}`, () => this.tool(kind)]]));
    return {
      ...tools,
      "Enter": ["Finish the shape; without one, place it in the middle", (event) => this.#enter(event)],
      "n": ["Next rule", () => this.#next()],
      "s": ["Swap in and out", () => this.swap()],
      "p": ["Preview what would change", () => void this.preview.ask()],
      "Ctrl+z": ["Back one step", () => this.step(-1)],
      "Ctrl+Shift+z": ["", () => this.step(1)],
      "Ctrl+y": ["Forth again", () => this.step(1)],
      "Escape": ["Let go; then leave", () => this.escape()],
      "Tab": ["Next point of the shape", () => false],
      "ArrowLeft": ["Move the point, as all arrows do (Shift: farther)", () => false],
      "+": ["A point more, after the chosen one", () => false],
      "Delete": ["Take the chosen point away, or the rule", () => this.#delete()],
    };
  }

  #build(tools) {
    this.buttons = {};
    this.toolbar = el("div", { class: "toolbar", role: "toolbar", "aria-label": "Draw" });
    for (const [kind, { words, tells }] of Object.entries(KINDS)) {
      const button = el("button", { type: "button", class: `tool kind-${kind}`, title: `${words}: ${tells} (${TOOL_KEYS[kind]})`, "aria-pressed": "false", on: { click: () => this.tool(kind) } }, icon(kind), el("span", { text: words }));
      this.buttons[kind] = button;
      this.toolbar.append(button);
    }
    this.undo = iconButton("undo", "Back one step", { on: { click: () => this.step(-1) } });
    this.redo = iconButton("undo", "Forth again", { class: "mirrored", on: { click: () => this.step(1) } });
    this.toolbar.append(el("span", { class: "spring" }), this.undo, this.redo);
    this.hint = el("p", { class: "stage-hint", role: "status" });
    tools.replaceChildren(this.toolbar, this.hint);
    this.count = el("span", { class: "muted" });
    return el("header", { class: "editor-head" }, el("h2", { text: "Rules" }), this.count, el("span", { class: "spring" }), iconButton("close", "Leave the editor", { on: { click: () => this.leave() } }));
  }

  get changes() {
    return this.work.changes;
  }

  /** Words to the user, at the picture. */
  say(words) {
    say(this.hint, words);
  }

  #hintWords() {
    const { selected, drawing } = this;
    if (drawing) {
      const shape = d.shapeOf(selected);
      const n = selected.points.length;
      if (!n) return shape === "line" || shape === "arrow" ? "Drag across the picture, or click point by point. Enter places one in the middle." : "Drag a rectangle, or click corner by corner. Enter places one in the middle.";
      if (n < LEAST[shape]) return `${LEAST[shape] - n} more to go. Escape drops it.`;
      return shape === "line" ? "Click for a bend, or finish with Enter or a double click." : "Click the first corner, or press Enter, to close it.";
    }
    if (!selected) return this.drafts.length ? "Choose a rule in the picture or the list, or draw a new one." : "Draw the first rule: choose a tool above.";
    if (!selected.editable) return selected.whyNot || "This rule cannot be changed here.";
    if (selected.removed) return "It will be removed.";
    if (matchMedia("(pointer: coarse)").matches) return "Drag the points. The small ones between them make a new one.";
    return "Drag the points, or Tab to one and use the arrow keys. Shift keeps lines level; points snap to others unless Alt is held.";
  }

  redraw() {
    const lookUp = { count: (rule, direction) => (rule.draft.was ? store.countOf(this.source, { name: rule.draft.was, labels: rule.draft.labels }, direction) : 0), occupancy: () => null };
    const shown = this.drafts.filter((draft) => !draft.removed && draft.points.length);
    this.picture.setRules(shown.map((draft) => d.asRule(draft, draft === this.selected)), lookUp, () => {});
    this.stage.draw();
    for (const [kind, button] of Object.entries(this.buttons)) mark(button, "aria-pressed", this.drawing && this.selected.kind === kind);
    this.say(this.#hintWords());
    const n = this.changes.length;
    say(this.count, n ? many(n, "change") : "no change yet");
    const { undo, redo } = this.work.history.can;
    this.undo.disabled = !undo;
    this.redo.disabled = !redo;
    this.form.update();
    this.preview.update();
  }

  /** Something was changed; with `soon` it is one step with what follows at once. */
  changed({ soon = false } = {}) {
    clearTimeout(this.#soon);
    if (soon) this.#soon = setTimeout(() => (this.work.history.push(this.drafts), this.redraw()), 500);
    else this.work.history.push(this.drafts);
    this.preview.stale();
    this.redraw();
  }

  step(by) {
    clearTimeout(this.#soon);
    if (this.drawing) this.#drop();
    this.work.history.push(this.drafts);
    const drafts = this.work.history.go(by);
    if (!drafts) return true;
    const key = this.selected?.key;
    this.drafts = drafts;
    this.selected = drafts.find((draft) => draft.key === key) ?? null;
    this.point = null;
    this.preview.stale();
    this.redraw();
    this.form.show();
    return true;
  }

  /** Begins a new shape of a kind. */
  tool(kind) {
    const again = this.drawing && this.selected.kind === kind;
    if (this.drawing) this.#drop();
    if (again) return this.redraw();
    const taken = new Set([...store.rules.map((rule) => rule.name), ...this.drafts.map((draft) => draft.name)]);
    this.selected = d.blank(kind, this.source, taken);
    this.drafts.push(this.selected);
    this.drawing = true;
    this.point = null;
    this.preview.close();
    this.redraw();
    this.form.show();
    this.picture.root.focus({ preventScroll: true });
    return true;
  }

  /** A shape is complete. */
  drawn() {
    this.drawing = false;
    this.point = { part: "points", index: 0 };
    this.changed();
    this.form.show();
    this.stage.focus(this.point);
  }

  #enter(event) {
    if (!this.drawing || event.target.closest("button:not(.handle), a, summary")) return false;
    if (this.stage.finish()) return true;
    this.inTheMiddle();
    return true;
  }

  /** Places the standard shape of the kind: for those who do not draw with a pointer. */
  inTheMiddle() {
    const { start, arrow } = KINDS[this.selected.kind];
    this.selected.points = structuredClone(start);
    if (arrow) this.selected.options.arrow = structuredClone(arrow);
    this.drawn();
  }

  #drop() {
    this.drafts = this.drafts.filter((draft) => draft !== this.selected);
    this.selected = null;
    this.drawing = false;
  }

  select(draft) {
    if (this.drawing) this.#drop();
    this.selected = draft;
    this.point = null;
    this.preview.close();
    this.redraw();
    this.form.show();
  }

  choose(name) {
    const draft = this.drafts.find((each) => each.was === name);
    if (draft) this.select(draft);
  }

  choosePoint(point) {
    if (JSON.stringify(point) === JSON.stringify(this.point)) return;
    this.point = point;
    this.stage.draw();
  }

  #next() {
    const all = this.drafts.filter((draft) => !draft.removed);
    if (!all.length) return false;
    this.select(all[(all.indexOf(this.selected) + 1) % all.length]);
    this.stage.focus({ part: "points", index: 0 });
    return true;
  }

  swap() {
    if (!this.selected?.editable || this.drawing || d.isClosed(this.selected) !== Boolean(this.selected.options.arrow)) return false;
    d.turn(this.selected);
    this.changed();
    this.form.show();
    return true;
  }

  #delete() {
    if (!this.selected || document.activeElement?.closest("input, select")) return false;
    this.remove();
    return true;
  }

  remove() {
    const draft = this.selected;
    if (!draft.editable) return;
    if (draft.was === null) this.drafts = this.drafts.filter((each) => each !== draft);
    else draft.removed = !draft.removed;
    this.drawing = false;
    this.select(draft.removed ? draft : null);
    this.changed();
  }

  /** One thing less: the shape that is drawn, the preview, the point, the rule; then the editor itself. */
  escape() {
    if (this.drawing) {
      this.#drop();
      this.redraw();
      this.form.show();
    } else if (this.preview.open) this.preview.close();
    else if (this.selected) this.select(null);
    else this.leave();
    return true;
  }

  async leave() {
    if (this.drawing) this.#drop();
    const n = this.changes.length;
    if (n && !(await sure(n))) return;
    this.finished();
  }

  /** All is applied, or dropped. */
  finished() {
    if (this.closed) return;
    this.work.drop();
    this.done();
  }

  /** The rules are others now, or it is known now whose doing that is. */
  rulesChanged() {
    const verdict = this.work.judge(this.drawing ? this.selected : null);
    if (verdict === "conflict") return this.preview.moved();
    if (verdict === "same") return this.preview.settled();
    if (verdict === "merge") return this.#merge();
    if (verdict !== "applied") return undefined;
    this.work.found();
    toast("Applied", { tone: "good", detail: "Its answer was lost on the way." });
    return this.#settled({});
  }

  /** *Apply* has ended; `told`: what the server said, null where nothing was applied. */
  #settled(told) {
    if (told && !this.changes.length && !this.drawing) return this.finished();
    this.#drawAll();
    return this.rulesChanged();
  }

  #merge() {
    const again = this.preview.wanted;
    this.preview.close();
    this.work.merge();
    this.#drawAll();
    if (again && this.changes.length) void this.preview.ask();
  }

  /** Goes on from what holds now, with what was drawn here. */
  async rebase() {
    await readRules();
    this.work.merge();
    this.#drawAll();
  }

  /** Draws what the work is now. The form stays as it is, with the focus in it, where its rule does. */
  #drawAll() {
    const { selected } = this;
    if (!this.drafts.includes(selected)) {
      this.drawing = false;
      this.point = null;
      this.selected = this.drafts.find((draft) => draft.was !== null && draft.was === selected?.was && draft.kind === selected.kind) ?? null;
      this.form.show();
    }
    this.redraw();
  }
}

async function sure(n) {
  const content = el(
    "form",
    { method: "dialog", class: "stack" },
    el("p", { text: `${many(n, "change is", "changes are")} not applied.` }),
    el("div", { class: "row end" }, el("button", { class: "button", value: "stay", text: "Go on editing", autofocus: true }), el("button", { class: "button danger", value: "drop", text: "Drop them" })),
  );
  return (await openDialog("Leave the editor?", content).ended) === "drop";
}

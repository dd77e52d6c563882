// One camera, large: its picture, rules, events, objects, charts; and the editor.
import { Chart } from "./chart.js";
import { el, mark, say, uid } from "./dom.js";
import { Editor } from "./editor/editor.js";
import { EventList } from "./events.js";
import { age, many, rate, since, stateWords } from "./format.js";
import { frames } from "./frames.js";
import { iconButton, icon } from "./icons.js";
import { bind } from "./keys.js";
import { recall, remember } from "./memory.js";
import { Picture } from "./picture.js";
import { RulesPanel } from "./rules_panel.js";
import { change } from "./rules.js";
import { store } from "./store.js";
import { complain, toast } from "./toast.js";
import { WhyPanel } from "./why.js";

const FPS = 12;
const WIDEST = 1280;

export function camera(name) {
  const view = new Camera(name);
  return { root: view.root, title: name, destroy: () => view.destroy() };
}

class Camera {
  #off = [];
  #stop = null;
  #asked = 0;
  #editor = null;
  #tab = "";

  constructor(name) {
    this.name = name;
    this.picture = new Picture({ detail: true });
    this.picture.onRatio = () => this.stage.style.setProperty("--shape", this.picture.ratio.toFixed(4));
    this.picture.onObject = (id) => !this.#editor && this.why(id);
    this.chart = new Chart(name);
    this.rules = new RulesPanel(name, { onEdit: (rule) => this.edit(rule) });
    this.whyPanel = new WhyPanel(name, this.picture);
    this.events = new EventList({ source: name, onObject: (event) => this.why(event.object.id) });
    this.root = el("section", { class: "camera", "aria-label": `Camera ${name}` }, this.#head(), this.#body());
    this.#off.push(
      store.on("state", () => this.update()),
      store.on("rules", () => this.#drawRules()),
      store.on("settled", () => (this.#drawUndo(), this.#editor?.rulesChanged())),
      store.on("counts", () => (this.picture.updateCounts(), this.rules.update())),
      bind("Camera", {
        "Escape": ["Back", () => this.back()],
        "e": ["Draw and edit rules", () => this.edit()],
        "w": ["Why was it (not) counted?", () => this.show("why")],
        "r": ["Rules and counts", () => this.show("rules")],
        "v": ["Events", () => this.show("events")],
        " ": ["Hold the picture", (event) => !event.target.closest("button, a, summary") && this.#hold()],
        "f": ["Whole screen", () => this.#whole()],
        "[": ["Previous camera", () => this.#step(-1)],
        "]": ["Next camera", () => this.#step(1)],
      }),
    );
    this.sized = new ResizeObserver(() => this.#watch());
    this.sized.observe(this.picture.root);
    this.show(recall("tab", "rules"));
    this.#drawRules();
    this.#editing();
  }

  destroy() {
    this.#editor?.destroy();
    this.sized.disconnect();
    this.#stop?.();
    for (const off of this.#off) off();
    for (const part of [this.chart, this.whyPanel, this.events]) part.destroy();
  }

  #head() {
    this.chip = el("span", { class: "chip" });
    this.reason = el("span", { class: "reason" });
    this.facts = el("span", { class: "facts" });
    this.full = el("a", { class: "button link", "aria-label": "Video at its full rate", target: "_blank", rel: "noopener noreferrer", hidden: true }, icon("link"), el("span", { text: "Full rate" }));
    this.undo = iconButton("undo", "Undo", { hidden: true, on: { click: () => this.undoLast() } }, true);
    this.editButton = iconButton("edit", "Edit rules", { class: "strong edit-button", "aria-label": "Edit rules", on: { click: () => (this.#editor ? this.#editor.leave() : this.edit()) } }, true);
    this.hold = iconButton("pause", "Hold the picture", { "aria-pressed": "false", on: { click: () => this.#hold() } });
    return el(
      "header",
      { class: "camera-head" },
      iconButton("back", "Back to the wall", { on: { click: () => this.back() } }),
      el("h1", { text: this.name }),
      this.chip,
      this.reason,
      this.facts,
      el("span", { class: "spring" }),
      // what comes and goes stands where nothing has to give way to it
      this.undo,
      this.full,
      this.hold,
      iconButton("expand", "Whole screen", { class: "wide-only", on: { click: () => this.#whole() } }),
      this.editButton,
    );
  }

  #body() {
    this.tools = el("div", { class: "stage-tools" });
    this.stage = el("div", { class: "stage", style: { "--shape": this.picture.ratio.toFixed(4) } }, el("div", { class: "frame" }, this.picture.root));
    const panels = { rules: [this.rules.root, "Rules"], why: [this.whyPanel.root, "Why?"], events: [this.events.root, "Events"] };
    this.tabs = {};
    const list = el("div", { class: "tabs", role: "tablist", "aria-label": "Beside the picture" });
    const holder = el("div", { class: "panels" });
    for (const [key, [root, words]] of Object.entries(panels)) {
      const [tabId, panelId] = [uid("tab"), uid("panel")];
      const tab = el("button", { type: "button", role: "tab", id: tabId, "aria-controls": panelId, text: words, on: { click: () => this.show(key), keydown: (event) => this.#tabKey(event, key) } });
      const panel = el("div", { role: "tabpanel", id: panelId, "aria-labelledby": tabId, class: "panel", hidden: true }, root);
      this.tabs[key] = { tab, panel };
      list.append(tab);
      holder.append(panel);
    }
    this.side = el("aside", { class: "side-column", "aria-label": "Rules, objects and events" }, list, holder);
    this.main = el("div", { class: "stage-column" }, this.stage, this.tools, this.chart.root);
    this.body = el("div", { class: "camera-body" }, this.main, this.side);
    return this.body;
  }

  #tabKey(event, key) {
    const keys = Object.keys(this.tabs);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = keys[(keys.indexOf(key) + by + keys.length) % keys.length];
    this.show(next);
    this.tabs[next].tab.focus();
  }

  /** Shows a panel beside the picture: rules, why or events. */
  show(key) {
    if (!this.tabs[key]) key = "rules";
    if (this.#editor) return false;
    this.#tab = key;
    remember("tab", key);
    for (const [other, { tab, panel }] of Object.entries(this.tabs)) {
      mark(tab, "aria-selected", other === key);
      tab.tabIndex = other === key ? 0 : -1;
      panel.toggleAttribute("hidden", other !== key);
    }
    this.whyPanel.active(key === "why");
    return true;
  }

  why(id) {
    this.show("why");
    this.whyPanel.explain(id);
  }

  update() {
    const source = store.sources.get(this.name);
    if (!source) {
      if (store.state) say(this.reason, "no camera has this name now");
      mark(this.chip, "data-tone", "calm");
      say(this.chip, store.state ? "Unknown" : "…");
      return;
    }
    const [words, tone] = stateWords(source.state);
    say(this.chip, words);
    mark(this.chip, "data-tone", tone);
    say(this.reason, tone === "good" ? "" : `${source.reason || ""}${source.reason ? ", " : ""}${since(source.since)}`);
    const facts = [rate(source.rates?.frames), age(source.age) && `${age(source.age)} old`, source.width ? `${source.width} × ${source.height}` : null, source.dropped ? many(source.dropped, "drop") : "no drops"];
    say(this.facts, facts.filter(Boolean).join(" · "));
    this.full.toggleAttribute("hidden", !/^https?:\/\//.test(source.link ?? ""));
    if (!this.full.hidden) mark(this.full, "href", source.link);
    this.picture.setSource(source);
    const { writable = true, why_not: whyNot = "" } = store.state.config ?? {};
    this.editButton.disabled = !writable;
    mark(this.editButton, "title", this.#editor ? "Leave the editor" : writable ? "Draw and edit rules (e)" : whyNot);
    this.chart.tick();
  }

  #drawUndo() {
    this.undo.toggleAttribute("hidden", !store.undoable || Boolean(this.#editor));
    this.undo.disabled = store.changing > 0;
  }

  #drawRules() {
    const rules = store.rulesOf(this.name);
    this.#drawUndo();
    this.rules.draw(rules);
    if (this.#editor) return this.#editor.rulesChanged();
    const lookUp = { count: (rule, d) => store.countOf(this.name, rule, d), occupancy: (rule) => store.occupancyOf(this.name, rule.name) };
    this.picture.setRules(rules, lookUp, (rule) => (this.show("rules"), this.rules.point(rule)));
    this.chart.setRules(rules);
  }

  #watch() {
    const width = Math.min(WIDEST, Math.max(320, Math.ceil((this.picture.root.clientWidth * Math.min(2, devicePixelRatio || 1)) / 160) * 160));
    if (width === this.#asked) return;
    const before = this.#stop;
    this.#asked = width;
    this.#stop = frames.watch(this.name, { width, fps: FPS }, (frame) => this.picture.show(frame));
    before?.();
  }

  #hold() {
    this.picture.held = !this.picture.held;
    this.hold.replaceChildren(icon(this.picture.held ? "play" : "pause"));
    mark(this.hold, "aria-pressed", this.picture.held);
    this.picture.root.classList.toggle("held", this.picture.held);
  }

  #whole() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.requestFullscreen?.().catch(() => {});
  }

  #step(by) {
    if (this.#editor) return false;
    const names = [...store.sources.keys()];
    const next = names[(names.indexOf(this.name) + by + names.length) % names.length];
    if (next) location.hash = `#/camera/${encodeURIComponent(next)}`;
    return true;
  }

  back() {
    if (this.#editor) return this.#editor.escape();
    location.hash = "#/wall";
    return true;
  }

  /** Opens the editor, with a rule chosen if one is given. */
  edit(rule = null) {
    if (this.#editor) return false;
    if (this.editButton.disabled) {
      toast("Rules cannot be changed here", { detail: store.state?.config?.why_not ?? "" });
      return true;
    }
    this.whyPanel.active(false);
    this.root.classList.add("editing");
    this.#editor = new Editor({ source: this.name, picture: this.picture, tools: this.tools, done: () => this.#edited() });
    this.side.before(this.#editor.side);
    this.side.hidden = true;
    this.#editing();
    if (rule) this.#editor.choose(rule.name);
    return true;
  }

  #edited() {
    this.#editor.side.remove();
    this.#editor.destroy();
    this.#editor = null;
    this.side.hidden = false;
    this.root.classList.remove("editing");
    this.#drawRules();
    this.show(this.#tab);
    this.#editing();
    this.chart.tick();
    this.editButton.focus();
  }

  #editing() {
    mark(this.editButton, "aria-pressed", String(Boolean(this.#editor)));
    this.#drawUndo();
    this.update();
  }

  async undoLast() {
    if (store.changing) return;
    this.undo.disabled = true;
    try {
      const answer = await change("edits/undo", { base: store.digest });
      if (answer) toast("Undone", { tone: "good", detail: (answer.changes ?? []).join("; ") });
    } catch (error) {
      complain(error);
    }
  }
}

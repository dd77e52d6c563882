// Why was it, or was it not, counted? Objects of now and of the last minutes, and a verdict for each rule.
import { get } from "./api.js";
import { el, mark, place, reconcile, say } from "./dom.js";
import { clock, span } from "./format.js";
import { pathOf } from "./geometry.js";
import { icon, iconButton } from "./icons.js";
import { wordsOf } from "./kinds.js";

const SECONDS = 300;
const REFRESH = 3000;
const VERDICTS = { counted: ["Counted", "good", "check"], "not-counted": ["Not counted", "warn", "close"], "not-concerned": ["Not concerned", "calm", "minus"] };

export class WhyPanel {
  #source;
  #picture;
  #timer = null;
  #chosen = null;
  #asked = 0;

  constructor(source, picture) {
    this.#source = source;
    this.#picture = picture;
    this.hint = el("p", { class: "muted hint", text: "Choose an object in the picture, or one of the last minutes." });
    this.list = el("ul", { class: "objects" });
    this.empty = el("p", { class: "empty", text: "No object was seen in the last minutes." });
    this.chooser = el("div", {}, this.hint, this.list, this.empty);
    this.verdicts = el("div", { class: "verdicts", "aria-live": "polite", hidden: true });
    this.root = el("div", { class: "why" }, this.chooser, this.verdicts);
  }

  destroy() {
    clearInterval(this.#timer);
  }

  /** Whether it is looked at: only then is it kept up to date, and are boxes there to be chosen. */
  active(on) {
    clearInterval(this.#timer);
    this.#picture.root.classList.toggle("choosing", on);
    if (!on) return this.#clear();
    this.#load();
    this.#timer = setInterval(() => this.#load(), REFRESH);
  }

  async #load() {
    if (this.#chosen !== null || document.hidden) return;
    let objects;
    try {
      ({ objects } = await get("objects", { source: this.#source, seconds: SECONDS }));
    } catch (error) {
      say(this.hint, error.fix ? `${error.message}: ${error.fix}` : error.message);
      return;
    }
    say(this.hint, "Choose an object in the picture, or one of the last minutes.");
    objects.sort((a, b) => (a.live === b.live ? (a.last < b.last ? 1 : -1) : a.live ? -1 : 1));
    reconcile(this.list, objects.slice(0, 150), (o) => String(o.id), (o) => this.#make(o), (node, o) => this.#update(node, o));
    this.empty.toggleAttribute("hidden", objects.length > 0);
  }

  #make(object) {
    const button = el(
      "button",
      { type: "button", on: { click: () => this.explain(object.id), mouseenter: () => this.#trail(button._object), mouseleave: () => this.#chosen === null && this.#clear() } },
      thumbnail(object.path),
      el("span", { class: "title", text: `${object.label ?? "object"} ${object.id}` }),
      el("span", { class: "muted when" }),
      el("span", { class: "chip" }),
    );
    return el("li", {}, button);
  }

  #update(node, object) {
    const button = node.firstChild;
    button._object = object;
    say(button.querySelector(".when"), `${clock(object.first).split(", ").pop()} · ${span((new Date(object.last) - new Date(object.first)) / 1000)}`);
    const chip = button.querySelector(".chip");
    say(chip, object.live ? "Now" : "");
    mark(chip, "data-tone", object.live ? "good" : null);
  }

  /** Asks for the verdicts of an object and draws its path. */
  async explain(id) {
    if (!id) return;
    const asked = ++this.#asked;
    this.#chosen = id;
    this.#picture.chosen = id;
    this.#picture.root.classList.add("explaining");
    this.chooser.hidden = true;
    this.verdicts.hidden = false;
    this.verdicts.replaceChildren(this.#head(`Object ${id}`, "asking"));
    try {
      const told = await get("explain", { source: this.#source, id });
      if (asked === this.#asked) this.#show(told);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.verdicts.replaceChildren(this.#head(`Object ${id}`, ""), el("p", { class: "error", text: [error.message, error.fix].filter(Boolean).join(": ") }));
    }
  }

  #head(title, words) {
    return el("header", {}, iconButton("back", "Other objects", { on: { click: () => this.#back() } }), el("h2", { text: title }), el("span", { class: "muted", text: words }));
  }

  #back() {
    this.#asked++;
    this.#clear();
    this.#load();
  }

  #clear() {
    this.#chosen = this.#picture.chosen = null;
    this.#picture.root.classList.remove("explaining");
    this.chooser.hidden = false;
    this.verdicts.hidden = true;
    this.#picture.top.replaceChildren();
    this.#picture.extra.replaceChildren();
  }

  #show({ object, rules }) {
    this.#trail(object);
    const order = Object.keys(VERDICTS);
    const sorted = [...rules].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
    let number = 0;
    const rows = sorted.map((rule) => {
      const [words, tone, image] = VERDICTS[rule.verdict] ?? [rule.verdict, "calm", "help"];
      const at = rule.at && rule.verdict !== "not-concerned" ? ++number : null;
      if (at) this.#picture.extra.append(spot(rule.at, at, tone));
      return el(
        "li",
        { class: "verdict", data: { tone } },
        el("span", { class: "sign" }, icon(image)),
        el("div", {}, el("p", { class: "title" }, el("span", { text: `${rule.name}` }), el("span", { class: "muted", text: ` ${wordsOf(rule.kind)}` }), at ? el("span", { class: "spot-number", text: at }) : null), el("p", { class: "chip", data: { tone }, text: words }), el("p", { class: "text", text: rule.text })),
      );
    });
    const first = object.first ? clock(object.first).split(", ").pop() : "";
    this.verdicts.replaceChildren(
      this.#head(`${object.label ?? "Object"} ${object.id}`, first ? `seen from ${first} on` : ""),
      rows.length ? el("ul", {}, rows) : el("p", { class: "empty", text: "No rule looks at this camera." }),
    );
    this.verdicts.querySelector("button").focus({ preventScroll: true });
  }

  #trail(object) {
    const points = (object?.path ?? []).map(([x, y]) => [x, y]);
    this.#picture.extra.replaceChildren();
    this.#picture.top.replaceChildren();
    if (points.length < 2) return;
    const d = pathOf(points);
    this.#picture.top.append(el("svg:path", { class: "trail casing", d }), el("svg:path", { class: "trail", d }));
    const begin = el("i", { class: "trail-end begin" });
    const end = el("i", { class: "trail-end" });
    place(begin, points[0]);
    place(end, points.at(-1));
    this.#picture.extra.append(begin, end);
  }
}

function spot(at, number, tone) {
  const node = el("span", { class: "spot", data: { tone }, text: number });
  place(node, at);
  return node;
}

/** The way of an object in small. */
function thumbnail(path) {
  const points = (path ?? []).map(([x, y]) => [x, y]);
  return el("svg:svg", { class: "thumbnail", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, el("svg:path", { d: pathOf(points) }));
}

// Events as they happen: one list, used as a view and beside a camera.
import { el, mark, reconcile, say } from "./dom.js";
import { clock, many } from "./format.js";
import { icon } from "./icons.js";
import { store } from "./store.js";

const SHOWN = 200;

/** The view of all events. */
export function events() {
  const list = new EventList({ filters: true });
  const root = el("section", { class: "page events-view", "aria-label": "Events" }, el("header", { class: "head" }, el("h1", { text: "Events" }), list.filters), list.root);
  return { root, title: "Events", destroy: () => list.destroy() };
}

export class EventList {
  #off;
  #choice = { source: "", rule: "", kind: "", text: "" };
  #source;
  #fresh = new Set();
  /** Events that came while the user looks at older ones: they are told, and do not push the list about. */
  #held = 0;
  #top = null;

  /** `source`: of one camera only. `onObject(event)`: what a click on an event does. */
  constructor({ source = null, filters = false, onObject = null } = {}) {
    this.#source = source;
    this.onObject = onObject;
    this.list = el("ol", { class: "events" });
    this.empty = el("p", { class: "empty", text: "Nothing has happened yet." });
    this.more = el("button", { type: "button", class: "button pill", hidden: true, on: { click: () => this.#release() } });
    this.root = el("div", { class: "event-list" }, this.more, this.list, this.empty);
    if (filters) this.filters = this.#makeFilters();
    this.#off = [store.on("events", (news) => this.#came(news)), store.on("state", () => this.filters && this.#fill())];
    this.draw();
  }

  destroy() {
    for (const off of this.#off) off();
  }

  #makeFilters() {
    const choose = (key, words) =>
      (this[`${key}Choice`] = el("select", { "aria-label": words, on: { change: (e) => this.#filter(key, e.target.value) } }, el("option", { value: "", text: words })));
    const search = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter events by their words", autocomplete: "off" });
    search.addEventListener("input", () => this.#filter("text", search.value.trim().toLowerCase()));
    const made = el("div", { class: "row wrap" }, el("label", { class: "search" }, icon("search"), search), choose("source", "All cameras"), choose("rule", "All rules"), choose("kind", "All kinds"));
    return made;
  }

  #filter(key, value) {
    this.#choice[key] = value;
    this.#top = null;
    this.draw();
  }

  /** Choices of the filters: what there is. */
  #fill() {
    const values = {
      source: [...store.sources.keys()],
      rule: [...new Set(store.rules.map((rule) => rule.name))],
      kind: [...new Set(store.events.map((event) => event.kind))].sort(),
    };
    for (const [key, all] of Object.entries(values)) {
      const select = this[`${key}Choice`];
      const have = new Set([...select.options].map((option) => option.value));
      for (const value of all) if (!have.has(value)) select.append(el("option", { value, text: value }));
    }
  }

  #fits(event) {
    const { source, rule, kind, text } = this.#choice;
    return (
      (!this.#source || event.source === this.#source) &&
      (!source || event.source === source) &&
      (!rule || event.rule === rule) &&
      (!kind || event.kind === kind) &&
      (!text || `${event.text} ${event.source} ${event.rule} ${event.direction ?? ""} ${event.object?.label ?? ""}`.toLowerCase().includes(text))
    );
  }

  #came({ added, fresh }) {
    if (fresh) for (const event of added) this.#fresh.add(event.id);
    const scroller = this.root.closest(".panels");
    const scrolled = scroller ? scroller.scrollTop > 40 : this.root.getBoundingClientRect().top < -40;
    if (fresh && scrolled) {
      this.#top ??= store.events.find((event) => !added.includes(event) && this.#fits(event))?.id ?? null;
      this.#held += added.filter((event) => this.#fits(event)).length;
      say(this.more, many(this.#held, "new event"));
      this.more.toggleAttribute("hidden", !this.#held);
      return;
    }
    if (this.#top) return;
    this.draw();
  }

  #release() {
    this.#top = null;
    this.#held = 0;
    this.more.hidden = true;
    this.draw();
    (this.root.closest(".panels") ?? window).scrollTo({ top: 0 });
  }

  draw() {
    const shown = store.events.filter((event) => this.#fits(event)).slice(0, SHOWN);
    reconcile(this.list, shown, (event) => event.id, (event) => this.#make(event));
    this.empty.toggleAttribute("hidden", shown.length > 0);
    say(this.empty, store.events.length ? "No event fits." : "Nothing has happened yet.");
    this.#fresh.clear();
  }

  #make(event) {
    const object = event.object;
    const what = el("span", { class: "what", text: event.text || `${event.kind} ${event.rule ?? ""}` });
    const row = [
      el("time", { datetime: String(event.time), text: clock(event.time) }),
      el("i", { class: "mark" }),
      this.#source ? null : el("span", { class: "from", text: event.source }),
      what,
      object?.id ? el("span", { class: "object", text: `${object.label ?? "object"} ${object.id}` }) : null,
    ];
    const node = el("li", { class: this.#fresh.has(event.id) ? "fresh" : "" });
    mark(node, "data-kind", event.kind);
    mark(node, "data-direction", event.kind === "leave" ? "out" : store.wayOf(event.source, event.rule, event.direction || event.kind) || null);
    if (this.onObject && object?.id) {
      node.append(el("button", { type: "button", title: "Why?", on: { click: () => this.onObject(event) } }, row));
    } else if (!this.#source && store.sources.has(event.source)) {
      node.append(el("a", { href: `#/camera/${encodeURIComponent(event.source)}` }, row));
    } else node.append(el("div", {}, row));
    return node;
  }
}


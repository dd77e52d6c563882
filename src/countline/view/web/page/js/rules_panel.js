// The rules of a camera with what they have counted.
import { el, reconcile, say } from "./dom.js";
import { count, many } from "./format.js";
import { icon, iconButton } from "./icons.js";
import { wordsOf } from "./kinds.js";
import { store } from "./store.js";

const SHOWN = 3; // numbers of a rule, at most

export class RulesPanel {
  #source;
  #onEdit;

  constructor(source, { onEdit }) {
    this.#source = source;
    this.#onEdit = onEdit;
    this.list = el("ul", { class: "rules-list" });
    this.empty = el("div", { class: "empty", hidden: true }, el("p", { text: "No rule looks at this camera yet." }), iconButton("line", "Draw a line", { class: "strong", on: { click: () => onEdit(null) } }, true));
    this.root = el("div", {}, this.list, this.empty);
  }

  draw(rules) {
    // by content: a rule that changed is made anew
    reconcile(this.list, rules, (rule) => JSON.stringify(rule), (rule) => this.#make(rule));
    this.empty.toggleAttribute("hidden", rules.length > 0);
    this.update();
  }

  #make(rule) {
    const row = el(
      "li",
      { class: `rule kind-${rule.kind.replace(/[^a-z-]/g, "_")}` },
      el("span", { class: "swatch" }, icon(rule.kind)),
      el("div", { class: "who" }, el("span", { class: "title", text: rule.name }), el("span", { class: "muted" })),
      el("div", { class: "numbers" }),
    );
    row._rule = rule;
    if (rule.editable !== false) row.append(iconButton("edit", `Edit ${rule.name}`, { on: { click: () => this.#onEdit(rule) } }));
    else row.append(el("span", { class: "muted locked", title: rule.why_not ?? "", text: "fixed" }));
    return row;
  }

  /** [words, tone, value] of what a rule tells in numbers. */
  #numbers(rule) {
    if (rule.kind === "line") {
      const wanted = rule.options?.direction ?? "both";
      const ways = ["in", "out"].filter((way) => wanted === "both" || wanted === way);
      return ways.map((way) => [rule.labels?.[way] ?? way, way, store.countOf(this.#source, rule, way)]);
    }
    const now = store.nowOf(this.#source, rule.name);
    const counted = store.countsOf(this.#source, rule.name).map(([words, value]) => [words || "counted", store.wayOf(this.#source, rule.name, words), value]);
    return [...(now ? [["now", "", now.value]] : []), ...counted].slice(0, SHOWN);
  }

  #subtitle(rule) {
    const sources = rule.sources ?? [];
    const where = sources.length === 1 ? "" : sources.length ? many(sources.length, "camera") : store.sources.size > 1 ? "all cameras" : "";
    const classes = rule.options?.classes;
    const now = store.nowOf(this.#source, rule.name)?.text;
    return [wordsOf(rule.kind), where, classes?.length ? classes.join(", ") : "", now].filter(Boolean).join(" · ");
  }

  update() {
    for (const row of this.list.children) {
      const [, who, numbers] = row.children;
      say(who.lastChild, this.#subtitle(row._rule));
      reconcile(
        numbers,
        this.#numbers(row._rule),
        ([words, tone]) => `${words} ${tone}`,
        ([words, tone]) => el("span", { class: `big ${tone}` }, el("b"), el("span", { text: words, title: words })),
        (node, [, , value]) => say(node.firstChild, count(value)),
      );
    }
  }

  /** Points at a rule's row for a moment. */
  point(rule) {
    const row = [...this.list.children].find((node) => node._rule.name === rule.name);
    row?.scrollIntoView({ block: "nearest" });
    row?.classList.add("pointed");
    setTimeout(() => row?.classList.remove("pointed"), 1500);
  }
}

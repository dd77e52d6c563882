// The rules of a camera with what they have counted.
import { el, reconcile, say } from "./dom.js";
import { count, many } from "./format.js";
import { icon, iconButton } from "./icons.js";
import { wordsOf } from "./kinds.js";
import { store } from "./store.js";

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
      el("div", { class: "who" }, el("span", { class: "title", text: rule.name }), el("span", { class: "muted", text: this.#subtitle(rule) })),
    );
    row._rule = rule;
    row._numbers = [];
    const add = (words, tone, value) => {
      const number = el("b");
      row._numbers.push(() => say(number, value()));
      return el("span", { class: `big ${tone}` }, number, el("span", { text: words }));
    };
    const numbers = el("div", { class: "numbers" });
    const of = (direction) => () => count(store.countOf(this.#source, rule.name, direction));
    if (rule.kind === "line") {
      const wanted = rule.options?.direction ?? "both";
      for (const direction of ["in", "out"]) {
        if (wanted === "both" || wanted === direction) numbers.append(add(rule.labels?.[direction] ?? direction, direction, of(direction)));
      }
    } else {
      if (store.occupancyOf(this.#source, rule.name) !== null || ["region", "queue"].includes(rule.kind)) {
        numbers.append(add("now", "now", () => count(store.occupancyOf(this.#source, rule.name) ?? 0)));
      }
      const kinds = new Set(store.counts.filter((c) => c.source === this.#source && c.rule === rule.name).map((c) => c.direction));
      for (const direction of [...kinds].slice(0, 3)) numbers.append(add(direction || "counted", "", of(direction)));
    }
    row.append(numbers);
    if (rule.editable !== false) row.append(iconButton("edit", `Edit ${rule.name}`, { on: { click: () => this.#onEdit(rule) } }));
    else row.append(el("span", { class: "muted locked", title: rule.why_not ?? "", text: "fixed" }));
    return row;
  }

  #subtitle(rule) {
    const sources = rule.sources ?? [];
    const where = sources.length === 1 ? "" : sources.length ? many(sources.length, "camera") : "all cameras";
    const classes = rule.options?.classes;
    return [wordsOf(rule.kind), where, classes?.length ? classes.join(", ") : ""].filter(Boolean).join(" · ");
  }

  update() {
    for (const row of this.list.children) for (const update of row._numbers) update();
  }

  /** Points at a rule's row for a moment. */
  point(rule) {
    const row = [...this.list.children].find((node) => node._rule.name === rule.name);
    row?.scrollIntoView({ block: "nearest" });
    row?.classList.add("pointed");
    setTimeout(() => row?.classList.remove("pointed"), 1500);
  }
}

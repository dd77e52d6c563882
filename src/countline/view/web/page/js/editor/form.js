// The form of the chosen rule: its name, its sides, its options, its points as numbers; and the list of rules to choose from.
import { el, mark, reconcile, say, uid } from "../dom.js";
import { coordinate } from "../format.js";
import { icon, iconButton } from "../icons.js";
import { KINDS, wordsOf } from "../kinds.js";
import { store } from "../store.js";
import * as d from "./drafts.js";

export class Form {
  #editor;
  #points = null;

  constructor(editor) {
    this.#editor = editor;
    this.list = el("ul", { class: "drafts" });
    this.body = el("form", { class: "rule-form", hidden: true, on: { submit: (event) => event.preventDefault() } });
    this.root = el("div", { class: "forms" }, this.list, this.body);
  }

  /** What may have changed by dragging: the list's marks and the coordinates. */
  update() {
    const editor = this.#editor;
    reconcile(
      this.list,
      editor.drafts.filter((draft) => draft.points.length || draft !== editor.selected || !editor.drawing),
      (draft) => draft.key,
      (draft) => this.#row(draft),
      (node, draft) => this.#updateRow(node, draft),
    );
    this.#points?.();
  }

  #row(draft) {
    const button = el(
      "button",
      { type: "button", class: `kind-${draft.kind.replace(/[^a-z-]/g, "_")}` },
      el("span", { class: "swatch" }, icon(draft.kind)),
      el("span", { class: "title" }),
      el("span", { class: "muted" }),
    );
    return el("li", {}, button);
  }

  #updateRow(node, draft) {
    const button = node.firstChild;
    button.onclick = () => this.#editor.select(draft === this.#editor.selected ? null : draft);
    say(button.children[1], draft.name || "without a name");
    const fate = draft.removed ? "removed" : draft.was === null ? "new" : d.changed(draft) ? "changed" : draft.editable ? "" : "fixed";
    say(button.children[2], fate);
    mark(button, "data-fate", fate || null);
    mark(button, "aria-pressed", draft === this.#editor.selected);
  }

  /** Builds the form of the chosen rule. */
  show() {
    const draft = this.#editor.selected;
    this.#points = null;
    this.body.toggleAttribute("hidden", !draft);
    if (!draft) return this.body.replaceChildren();
    if (!draft.editable || draft.removed) return this.body.replaceChildren(...this.#locked(draft));
    const { options } = KINDS[draft.kind];
    const more = options.filter((o) => o.more);
    this.body.replaceChildren(
      ...[
        this.#name(draft),
        KINDS[draft.kind].shape === "line" ? this.#sides(draft) : null,
        draft.kind === "direction" || draft.kind === "wrong-way" ? this.#turn() : null,
        el("div", { class: "fields" }, options.filter((o) => !o.more).map((o) => this.#field(draft, o))),
        el("details", {}, el("summary", { text: "More" }), el("div", { class: "fields" }, this.#where(draft), more.map((o) => this.#field(draft, o)))),
        this.#coordinates(draft),
        el("div", { class: "row" }, iconButton("trash", "Remove the rule", { class: "danger", on: { click: () => this.#editor.remove() } }, true)),
        this.#editor.drawing ? el("div", { class: "row" }, el("button", { type: "button", class: "button", text: "Place it in the middle", on: { click: () => this.#editor.inTheMiddle() } })) : null,
      ].filter(Boolean),
    );
    return undefined;
  }

  #locked(draft) {
    const words = draft.removed ? `${wordsOf(draft.kind)} ${draft.name} will be removed.` : draft.whyNot || "This rule cannot be changed here: edit it in the file.";
    return [
      el("p", { class: "muted", text: words }),
      draft.removed ? iconButton("undo", "Keep it", { on: { click: () => this.#editor.remove() } }, true) : null,
    ].filter(Boolean);
  }

  #labelled(words, field, after = null, hint = "") {
    const id = (field.id ||= uid("field"));
    const hintId = hint ? uid("hint") : null;
    if (hintId) field.setAttribute("aria-describedby", hintId);
    return el("div", { class: "field" }, el("label", { for: id, text: words }), el("span", { class: "input" }, field, after ? el("span", { class: "unit", text: after }) : null), hint ? el("span", { class: "hint", id: hintId, text: hint }) : null);
  }

  #name(draft) {
    const field = el("input", { value: draft.name, autocomplete: "off", spellcheck: "false", maxlength: 200, data: { key: "name" } });
    field.addEventListener("input", () => {
      draft.name = field.value;
      this.#editor.changed({ soon: true });
    });
    return this.#labelled(`${wordsOf(draft.kind)}: its name`, field);
  }

  /** Which side is in, what in and out are called, and a way to swap them. */
  #sides(draft) {
    const side = (direction) => {
      const field = el("input", { value: draft.options.names?.[direction] ?? "", placeholder: direction, autocomplete: "off", maxlength: 100 });
      field.addEventListener("input", () => {
        d.setOption(draft, `names.${direction}`, field.value.trim() || undefined);
        this.#editor.changed({ soon: true });
      });
      const labelled = this.#labelled(direction === "in" ? "In, to the left" : "Out, to the right", field);
      labelled.classList.add("side-field", direction);
      return labelled;
    };
    return el("fieldset", { class: "sides" }, el("legend", { text: "Sides" }), side("in"), iconButton("swap", "Swap in and out (s)", { on: { click: () => this.#editor.swap() } }), side("out"));
  }

  #turn() {
    return el("div", { class: "row" }, iconButton("swap", "Turn the arrow round", { on: { click: () => this.#editor.swap() } }, true));
  }

  #where(draft) {
    const select = el("select", {}, el("option", { value: "one", text: `${this.#editor.source} only` }), el("option", { value: "all", text: "all cameras" }));
    select.value = draft.source === null ? "all" : "one";
    select.addEventListener("change", () => {
      draft.source = select.value === "all" ? null : this.#editor.source;
      this.#editor.changed();
    });
    return this.#labelled("Looks at", select, null, store.sources.size > 1 && draft.source === null ? "a change here changes it everywhere" : "");
  }

  #field(draft, o) {
    const now = d.option(draft, o.key);
    const set = (value, soon = false) => {
      d.setOption(draft, o.key, value);
      this.#editor.changed({ soon });
    };
    if (o.type === "switch") {
      const box = el("input", { type: "checkbox", checked: now ?? o.standard, on: { change: () => set(box.checked === o.standard ? undefined : box.checked) } });
      return el("label", { class: "switch field" }, box, el("span", { text: o.label }));
    }
    if (o.type === "choice") {
      const select = el("select", {}, o.choices.map((value) => el("option", { value, text: value.replace(/-/g, " ") })));
      select.value = now ?? o.standard;
      select.addEventListener("change", () => set(select.value === o.standard ? undefined : select.value));
      return this.#labelled(o.label, select, null, o.hint);
    }
    if (o.type === "words") {
      const field = el("input", { value: (now ?? []).join(", "), placeholder: "all", autocomplete: "off", spellcheck: "false" });
      field.addEventListener("input", () => {
        const words = field.value.split(",").map((word) => word.trim()).filter(Boolean).map((word) => (/^\d+$/.test(word) ? Number(word) : word));
        set(words.length ? words : undefined, true);
      });
      return this.#labelled(o.label, field, null, o.hint);
    }
    const field = el("input", { type: "number", inputmode: "decimal", min: o.min, max: o.max, step: "any", value: now ?? "", placeholder: o.standard ?? (o.needed ? "" : "–"), required: o.needed });
    field.addEventListener("input", () => set(field.value === "" || !field.validity.valid ? undefined : Number(field.value), true));
    return this.#labelled(o.label, field, o.unit, o.hint);
  }

  /** The points as numbers, for what must be exact. */
  #coordinates(draft) {
    const table = el("div", { class: "coordinates" });
    const details = el("details", {}, el("summary", { text: "Points" }), table);
    this.#points = () => {
      if (!details.open) return;
      reconcile(
        table,
        d.handles(draft),
        ({ part, index }) => `${part}-${index}`,
        ({ part, index, words }) => el("div", {}, el("span", { class: "muted", text: part === "points" ? index + 1 : words }), [0, 1].map((axis) => this.#coordinate(draft, { part, index }, axis))),
        (node, { at }) => [0, 1].forEach((axis) => {
          const field = node.children[axis + 1];
          if (field !== document.activeElement) field.value = coordinate(at[axis]);
        }),
      );
    };
    details.addEventListener("toggle", () => this.#points?.());
    return details;
  }

  #coordinate(draft, handle, axis) {
    const field = el("input", { type: "number", min: -1, max: 2, step: 0.001, "aria-label": `${handle.part === "arrow" ? "Arrow" : "Point"} ${handle.index + 1}, ${axis ? "down" : "across"}` });
    field.addEventListener("input", () => {
      const value = Number(field.value);
      if (field.value === "" || !(value >= -1 && value <= 2)) return;
      const to = [...d.pointOf(draft, handle)];
      to[axis] = value;
      d.movePoint(draft, handle, to, true);
      this.#editor.changed({ soon: true });
    });
    return field;
  }
}

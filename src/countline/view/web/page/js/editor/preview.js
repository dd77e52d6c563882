// What a change would do, before it is done; conflicts; and applying it.
import { write } from "../api.js";
import { el, say } from "../dom.js";
import { many, span } from "../format.js";
import { icon, iconButton } from "../icons.js";
import { store } from "../store.js";
import { complain, toast } from "../toast.js";
import { lacking } from "./drafts.js";

export class PreviewPanel {
  open = false;
  #editor;
  #asked = 0;
  /** Whether an answer is waited for, and whether what is shown is one. */
  #asking = false;
  #answered = false;
  /** Whether what is shown is a conflict, and whether it is one of the rules that hold now. */
  #conflicts = false;
  #moved = false;

  constructor(editor) {
    this.#editor = editor;
    this.note = el("p", { class: "note" });
    this.button = el("button", { type: "button", class: "button strong", on: { click: () => this.ask() } }, el("span", { text: "Preview" }));
    this.footer = el("footer", { class: "editor-foot" }, this.note, this.button);
    this.content = el("div", { class: "preview", hidden: true, "aria-live": "polite" });
  }

  update() {
    const { changes, drafts, drawing } = this.#editor;
    const lack = this.#busy || (changes.map((draft) => lacking(draft, drafts)).find(Boolean) ?? "");
    const ready = changes.length > 0 && !drawing && !lack && !this.#asking;
    this.button.disabled = !ready;
    this.button.toggleAttribute("hidden", this.open);
    say(this.note, this.open ? "" : lack);
    this.footer.toggleAttribute("hidden", this.open);
  }

  /** What has to end before anything can be previewed; "" if nothing has. */
  get #busy() {
    const { work } = this.#editor;
    if (work.sent) return "What was drawn before is being applied";
    return work.base === null ? "The rules are not known yet" : "";
  }

  /** Whether a preview is shown or waited for. */
  get wanted() {
    return this.#asking || (this.open && this.#answered);
  }

  /** The drafts are others than those that were previewed. */
  stale() {
    if (this.open || this.#asking) this.close();
  }

  /** The drafts are made for the rules that hold now: nothing is in their way any more. */
  settled() {
    if (this.#moved) this.close();
  }

  close() {
    this.#asked++;
    this.open = this.#asking = this.#answered = this.#conflicts = this.#moved = false;
    this.#editor.side.classList.remove("previewing");
    this.content.hidden = true;
    this.update();
  }

  #show(...nodes) {
    this.#asked++;
    this.open = true;
    this.#asking = this.#answered = this.#conflicts = this.#moved = false;
    this.#editor.side.classList.add("previewing");
    this.content.hidden = false;
    this.content.replaceChildren(...nodes.filter(Boolean));
    this.update();
    this.content.scrollIntoView({ block: "nearest" });
  }

  #head(title) {
    return el("header", {}, el("h3", { text: title, tabindex: "-1" }), iconButton("close", "Go on editing", { on: { click: () => this.close() } }));
  }

  async ask() {
    if (this.button.disabled) return;
    const asked = ++this.#asked;
    this.#asking = true;
    this.update();
    const { base, edits } = this.#editor.work;
    let told = null;
    let wrong = null;
    try {
      told = await write("edits/preview", { base, edits });
    } catch (error) {
      wrong = error;
    }
    if (asked !== this.#asked) return; // something else was done meanwhile
    this.#asking = false;
    this.update();
    if (wrong) this.#wrong(wrong);
    else if (told) this.#tell(told);
  }

  #tell({ changes = [], diff = "", counted = [], seconds = 0, notes = [] }) {
    const apply = el("button", { type: "button", class: "button strong", text: "Apply", on: { click: () => this.#apply(apply) } });
    this.#show(
      this.#head("What would change"),
      el("ul", { class: "words" }, changes.map((text) => el("li", { text }))),
      this.#counted(counted, seconds),
      notes.length ? el("ul", { class: "notes" }, notes.map((text) => el("li", { text }))) : null,
      diff ? el("details", { class: "diff-holder", open: true }, el("summary", { text: "In the file" }), drawDiff(diff)) : null,
      el("div", { class: "row end" }, el("button", { type: "button", class: "button", text: "Go on editing", on: { click: () => this.close() } }), apply),
    );
    this.#answered = true;
    apply.focus({ preventScroll: true });
  }

  /** "In the last 10 minutes: in 3 → 5". */
  #counted(counted, seconds) {
    const mine = counted.filter((c) => c.now !== c.would || this.#editor.changes.some((draft) => draft.name === c.rule || draft.was === c.rule));
    if (!seconds) return el("p", { class: "muted", text: "Nothing was recorded yet that could be counted again." });
    const place = ({ rule, direction }) => ({ in: 0, out: 1 })[this.#way(rule, direction)] ?? 2;
    mine.sort((a, b) => a.rule.localeCompare(b.rule) || place(a) - place(b));
    const rows = mine.map(({ source, rule, direction, now, would }) =>
      el(
        "tr",
        { class: now === would ? "" : "differs" },
        el("th", { scope: "row" }, el("span", { text: rule }), source !== this.#editor.source ? el("span", { class: "muted", text: ` ${source}` }) : null),
        el("td", { class: `tally ${this.#way(rule, direction)}`, text: direction ?? "" }),
        el("td", { class: "number", text: now ?? "–" }),
        el("td", { class: "to" }, icon("direction"), el("span", { class: "unseen", text: "to" })),
        el("td", { class: "number would", text: would ?? "–" }),
      ),
    );
    return el(
      "section",
      { class: "would-have" },
      el("h4", { text: `Would have counted in the last ${span(seconds)}` }),
      rows.length ? el("table", {}, el("tbody", {}, rows)) : el("p", { class: "muted", text: "the same as now" }),
    );
  }

  /** "in" or "out" of what a direction is called, by the names that its line has or will have. */
  #way(rule, direction) {
    const draft = this.#editor.drafts.find((each) => each.name === rule || each.was === rule);
    for (const way of ["in", "out"]) {
      if (direction === (draft?.options.names?.[way] ?? way) || direction === draft?.labels?.[way]) return way;
    }
    return { enter: "in", leave: "out" }[direction] ?? "";
  }

  async #apply(button) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    const { told, error } = await this.#editor.work.apply();
    button.removeAttribute("aria-busy");
    button.disabled = false;
    if (told) toast("Applied", { tone: "good", detail: [...(told.changes ?? []), ...(told.notes ?? [])].join("; ") });
    else if (error && this.#editor.closed) complain(error);
    else if (error) this.#wrong(error);
  }

  #wrong(error) {
    if (error.status === 409) return this.#conflict(error);
    if (error.status && error.status !== 422 && error.status !== 400) return complain(error);
    return this.#show(
      this.#head("It cannot be applied so"),
      el("p", { class: "error", text: error.message }),
      error.where ? el("p", { class: "muted", text: error.where }) : null,
      error.fix ? el("p", { text: error.fix }) : null,
      el("div", { class: "row end" }, el("button", { type: "button", class: "button strong", text: "Go on editing", on: { click: () => this.close() } })),
    );
  }

  /** Somebody else changed the configuration while this was drawn. */
  moved() {
    if (!this.#conflicts) this.#conflict({ message: "The configuration was changed meanwhile", fix: "", body: {} });
    this.#moved = true;
  }

  #conflict(error) {
    const disk = typeof error.body.disk === "string" ? error.body.disk : "";
    const keep = el("button", { type: "button", class: "button strong", text: "Go on from there, with mine" });
    keep.addEventListener("click", async () => {
      try {
        await this.#editor.rebase();
        this.close();
        if (this.#editor.changes.length) await this.ask();
      } catch (failure) {
        complain(failure);
      }
    });
    this.#show(
      this.#head("Changed elsewhere"),
      el("p", { class: "error", text: error.message }),
      error.fix ? el("p", { class: "muted", text: error.fix }) : null,
      el("p", { text: `Nothing of it was overwritten, and nothing of yours is lost: ${many(this.#editor.changes.length, "change")} drawn here.` }),
      disk ? el("details", { class: "diff-holder", open: true }, el("summary", { text: "On disk" }), drawDiff(disk)) : null,
      el("div", { class: "row end" }, el("button", { type: "button", class: "button danger", text: "Drop mine", on: { click: () => this.#editor.finished() } }), keep),
    );
    this.#conflicts = true;
  }
}

/** A unified diff, line by line; what is added and removed is told by its sign, too. */
export function drawDiff(text) {
  const lines = text.replace(/\n$/, "").split("\n").filter((line) => !/^(---|\+\+\+) /.test(line));
  return el(
    "pre",
    { class: "diff", tabindex: "0" },
    lines.map((line) => el("span", { class: line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : line.startsWith("@@") ? "place" : "", text: `${line}\n` })),
  );
}

// The outbox and the outputs: what waits, for how long, and what could not be delivered.
import { get, write } from "./api.js";
import { el, mark, reconcile, say } from "./dom.js";
import { bytes, clock, count, many, span } from "./format.js";
import { iconButton } from "./icons.js";
import { store } from "./store.js";
import { complain, toast } from "./toast.js";

const OLD = 60; // seconds from which on a waiting message is worth a colour

export function outputs() {
  const view = new Outputs();
  return { root: view.root, title: "Outputs", destroy: view.off };
}

class Outputs {
  constructor() {
    this.outbox = el("dl", { class: "figures" });
    this.run = el("dl", { class: "figures" });
    this.reasons = el("p", { class: "error" });
    this.list = el("ul", { class: "cards" });
    this.empty = el("p", { class: "empty", text: "No output is configured: what is counted stays here. Add one under `outputs:` in the configuration." });
    this.root = el(
      "section",
      { class: "page outputs-view", "aria-label": "Outputs" },
      el("header", { class: "head" }, el("h1", { text: "Outputs" })),
      el("section", { class: "card outbox", "aria-label": "Outbox" }, el("h2", { text: "Outbox" }), this.outbox),
      this.list,
      this.empty,
      el("section", { class: "card outbox", "aria-label": "Run" }, el("header", {}, el("h2", { text: "Run" }), el("span", { class: "spring" }), (this.health = el("span", { class: "chip" }))), this.run, this.reasons),
    );
    this.off = store.on("state", () => this.draw());
    this.draw();
  }

  draw() {
    const state = store.state;
    if (!state) return;
    const box = state.outbox ?? {};
    figures(this.outbox, [
      ["Kept", box.durable ? "on disk" : "in memory"],
      ["Waiting", count(box.waiting)],
      ["Oldest", box.waiting ? span(box.oldest_age) : "–", box.oldest_age > OLD ? "warn" : null],
      ["Size", box.max_bytes ? `${bytes(box.bytes)} of ${bytes(box.max_bytes)}` : bytes(box.bytes)],
      ...(box.writable === false ? [["Disk", "cannot be written", "bad"]] : []),
    ]);
    reconcile(this.list, state.outputs, (o) => o.name, (o) => new OutputCard(o).root, (node, o) => node._card.update(o));
    this.empty.toggleAttribute("hidden", state.outputs.length > 0);
    this.#drawRun(state);
  }

  /** How the run is, and what this page costs it. */
  #drawRun({ health = {}, config = {}, page = {}, version }) {
    say(this.health, health.ready ? "Ready" : health.alive === false ? "Not alive" : "Not ready");
    mark(this.health, "data-tone", health.ready ? "good" : health.alive === false ? "bad" : "warn");
    say(this.reasons, (health.reasons ?? []).join("; "));
    figures(this.run, [
      ["Version", version],
      ["Configuration since", clock(config.since)],
      ["Watching", many(page.watchers ?? 0, "browser")],
      ["Pictures sent", count(page.frames_sent)],
      ["Frames passed over", count(page.frames_skipped)],
      ["A picture takes", span((page.jpeg_ms ?? 0) / 1000)],
    ]);
  }
}

/** Pairs of words and values; only what changed is touched. */
function figures(list, pairs) {
  reconcile(
    list,
    pairs,
    ([words]) => words,
    ([words]) => el("div", {}, el("dt", { text: words }), el("dd")),
    (node, [, value, tone]) => {
      say(node.lastChild, value);
      mark(node, "data-tone", tone ?? null);
    },
  );
}

class OutputCard {
  #name;
  #open = false;
  #known = null;

  constructor({ name, kind }) {
    this.#name = name;
    this.chip = el("span", { class: "chip" });
    this.figures = el("dl", { class: "figures" });
    this.error = el("p", { class: "error" });
    this.show = el("button", { type: "button", class: "button", "aria-expanded": "false", hidden: true, on: { click: () => this.#toggle() } });
    this.letters = el("div", { class: "letters", hidden: true });
    this.root = el(
      "li",
      { class: "card" },
      el("header", {}, el("h2", { text: name }), el("span", { class: "kind", text: kind === name ? "" : kind }), el("span", { class: "spring" }), this.chip),
      this.figures,
      this.error,
      this.show,
      this.letters,
    );
    this.root._card = this;
  }

  update(output) {
    say(this.chip, output.connected === null || output.connected === undefined ? "Idle" : output.connected ? "Connected" : "Not connected");
    mark(this.chip, "data-tone", output.connected ? "good" : output.connected === false ? "bad" : "calm");
    figures(this.figures, [
      ["Waiting", count(output.waiting)],
      ["Oldest", output.waiting ? span(output.oldest_age) : "–", output.oldest_age > OLD ? "warn" : null],
      ["Sent", count(output.sent)],
      ["Acknowledged", count(output.acknowledged)],
      ["Retried", count(output.retried)],
      ["Dead letters", count(output.dead), output.dead ? "bad" : null],
      ...(output.dropped ? [["Dropped", count(output.dropped), "warn"]] : []),
    ]);
    say(this.error, output.last_error ?? "");
    this.show.toggleAttribute("hidden", !output.dead && !this.#open);
    say(this.show, this.#open ? "Hide the dead letters" : `Show ${many(output.dead ?? 0, "dead letter")}`);
    if (this.#open && output.dead !== this.#known) this.#load(output.dead);
  }

  #toggle() {
    this.#open = !this.#open;
    mark(this.show, "aria-expanded", this.#open);
    this.letters.toggleAttribute("hidden", !this.#open);
    this.#known = null;
    this.update(store.state.outputs.find((o) => o.name === this.#name));
  }

  async #load(known) {
    this.#known = known;
    try {
      this.#draw(await get(`outputs/${encodeURIComponent(this.#name)}/dead`, { limit: 50 }));
    } catch (error) {
      this.letters.replaceChildren(el("p", { class: "error", text: error.message }));
    }
  }

  #draw({ letters, total }) {
    const rows = letters.map((letter) => ({ letter, box: el("input", { type: "checkbox", "aria-label": `Choose ${letter.id}` }) }));
    const retry = iconButton("retry", "Retry all", { on: { click: () => this.#retry(chosen().length ? chosen() : "all") } }, true);
    const chosen = () => rows.filter(({ box }) => box.checked).map(({ letter }) => letter.id);
    for (const { box } of rows) box.addEventListener("change", () => say(retry.lastChild, chosen().length ? `Retry ${chosen().length}` : "Retry all"));
    const body = rows.map(({ letter, box }) =>
      el("tr", {}, el("td", {}, box), el("td", { class: "when", text: clock(letter.time) }), el("td", { class: "why", text: letter.reason }), el("td", { class: "id", text: letter.id }), el("td", { class: "size", text: bytes(letter.size) })),
    );
    this.letters.replaceChildren(
      total
        ? el(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": `Dead letters of ${this.#name}` },
            el("table", {}, el("thead", {}, el("tr", {}, ["", "When", "Reason", "Id", "Size"].map((text) => el("th", { scope: "col", text })))), el("tbody", {}, body)),
          )
        : el("p", { class: "muted", text: "No dead letter is left." }),
      el("div", { class: "row" }, total ? retry : null, letters.length < total ? el("span", { class: "muted", text: `the newest ${letters.length} of ${count(total)}` }) : null),
    );
  }

  async #retry(ids) {
    try {
      const answer = await write(`outputs/${encodeURIComponent(this.#name)}/retry`, { ids });
      if (answer === null) return;
      toast("They will be sent again.", { tone: "good" });
      this.#load(this.#known);
    } catch (error) {
      complain(error);
    }
  }
}


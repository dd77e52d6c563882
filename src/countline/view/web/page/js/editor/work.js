// What is drawn for a camera: drafts, the configuration that they began with, and what becomes of them when another one holds. It
// outlives its editor: nothing drawn is lost by a look elsewhere, and the answer to *Apply* finds what it is an answer to, whether
// the stream told of the change before it, after it, or not at all.
import { change, unknownEnd } from "../rules.js";
import { store } from "../store.js";
import * as d from "./drafts.js";

const works = new Map();

/** The work at a source; it is made where there is none. */
export function workAt(source) {
  if (!works.has(source)) works.set(source, new Work(source));
  return works.get(source);
}

class Work {
  drafts = [];
  /** Digest of the configuration that the drafts began with; null: none is known yet. */
  base = null;
  history = new d.History();
  /** Called with what became of *Apply*: what the server told, or null. */
  listen = null;
  /** What is being applied now: drafts by key, as they were then. */
  sent = null;
  /** What was sent, and nobody knows what became of it. */
  #unsure = null;
  /** How many changes this page had made when the drafts began. */
  #since = 0;
  #gone = false;

  constructor(source) {
    this.source = source;
  }

  get changes() {
    return this.drafts.filter((draft) => draft.points.length && d.changed(draft));
  }

  get edits() {
    return this.changes.map(d.edit);
  }

  /** An editor goes on with it. */
  resume() {
    if (!this.changes.length && !this.sent) this.merge();
  }

  /** The editor is left: what was drawn is kept. */
  leave() {
    this.listen = null;
    this.drafts = this.drafts.filter((draft) => draft.points.length);
    if (!this.changes.length && !this.sent) this.#forget();
  }

  /** What was drawn is not wanted any more, or is applied. */
  drop() {
    this.#gone = true;
    this.drafts = [];
    this.#forget();
  }

  #forget() {
    if (works.get(this.source) === this) works.delete(this.source);
  }

  /**
   * What the rules that hold now are to the drafts. "same": the drafts are made for them. "wait": a change of this page is under
   * way, and its answer says more. "merge": the drafts can go on from them. "applied": they hold what was sent, though no answer
   * came. "conflict": somebody else changed the configuration.
   */
  judge(unfinished = null) {
    if (this.sent || store.changing) return "wait";
    if (store.digest === this.base) return "same";
    if (this.#unsure && this.#holds(this.#unsure)) return "applied";
    const mine = this.changes.some((draft) => draft !== unfinished);
    return !mine || this.base === null || store.ownWay(this.#since, this.base, store.digest) ? "merge" : "conflict";
  }

  /** Goes on from the rules that hold now, with what was drawn here. Drafts that stay are the same objects. */
  merge() {
    const mine = this.drafts.filter((draft) => (draft.points.length ? d.changed(draft) : draft.was === null));
    const fresh = store.rulesOf(this.source).map(d.fromRule);
    for (const draft of mine) {
      const at = draft.was === null ? -1 : fresh.findIndex((each) => each.was === draft.was && each.kind === draft.kind);
      if (at >= 0) {
        draft.before = fresh[at].before;
        fresh[at] = draft;
      } else if (!draft.removed) {
        Object.assign(draft, { was: null, before: null });
        fresh.push(draft);
      }
    }
    this.drafts = fresh;
    this.#begin(store.digest);
  }

  #begin(digest) {
    this.base = digest;
    this.#since = store.own.length;
    this.#unsure = null;
    this.history = new d.History();
    this.history.push(this.drafts);
  }

  /** Applies what is drawn. Gives {told, error}: what the server said, or what was wrong; neither, if the user would not sign in. */
  async apply() {
    this.sent = new Map(this.changes.map((draft) => [draft.key, structuredClone(draft)]));
    const end = { told: null, error: null };
    try {
      end.told = await change("edits/apply", { base: this.base, edits: this.edits });
      if (end.told) this.#applied(this.sent, end.told.digest);
    } catch (error) {
      end.error = error;
      if (unknownEnd(error)) this.#unsure = this.sent;
    }
    this.sent = null;
    if (end.error && this.judge() === "applied") {
      this.found();
      Object.assign(end, { told: {}, error: null });
    }
    if (this.listen) this.listen(end.told);
    else if (!this.#gone) this.leave();
    return end;
  }

  /** Takes over what was sent without an answer, and holds. */
  found() {
    this.#applied(this.#unsure, store.digest);
  }

  /** What was sent holds now. What was changed since it was sent is still to be applied. */
  #applied(sent, digest) {
    if (this.#gone) return;
    for (const [key, was] of sent) {
      const at = this.drafts.findIndex((draft) => draft.key === key);
      const now = this.drafts[at] ?? { ...structuredClone(was), removed: true }; // a new rule that was removed since
      if (at < 0) this.drafts.push(now);
      if (!was.removed) Object.assign(now, { was: was.name.trim(), before: d.essence(was) });
      else if (now.removed) this.drafts = this.drafts.filter((draft) => draft !== now);
      else Object.assign(now, { was: null, before: null });
    }
    if (store.digest === digest) this.merge();
    else this.#begin(digest);
  }

  /** Whether the rules that hold now say what was sent. */
  #holds(sent) {
    const rules = store.rulesOf(this.source).map(d.fromRule);
    const named = (name, kind) => rules.find((rule) => rule.name === name && rule.kind === kind);
    return [...sent.values()].every((was) => (was.removed ? !named(was.was, was.kind) : d.alike(was, named(was.name.trim(), was.kind))));
  }
}

// What the page knows, in one place. Views listen to topics and read; only `live.js` and actions write.

const EVENTS_KEPT = 500;

class Store {
  /** GET state as it last came, or null. */
  state = null;
  /** Sources by name, in the order of the configuration. */
  sources = new Map();
  rules = [];
  /** Digest of the configuration that `rules` belong to. */
  digest = null;
  occupancy = [];
  /** Newest first. */
  events = [];
  session = { signed_in: false, can_write: false };
  /** Whether there is an edit that can be taken back. */
  undoable = false;
  /** How many changes of the configuration this page has under way. */
  changing = 0;
  /** Those that it has made, in order: {from, to, told}: digests, and whether the stream has told of it. */
  own = [];
  /** connecting | open | lost */
  connection = "connecting";

  /** What is counted by source and rule: [direction, value], over all classes. */
  #counts = new Map();
  #listeners = new Map();
  #ids = new Set();

  /** Listens to a topic: state, rules, settled, counts, events, session, connection. Returns what ends it. */
  on(topic, listen) {
    const all = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, all.add(listen));
    return () => all.delete(listen);
  }

  emit(topic, value) {
    for (const listen of [...(this.#listeners.get(topic) ?? [])]) listen(value);
  }

  setState(state) {
    this.state = state;
    this.sources = new Map(state.sources.map((source) => [source.name, source]));
    this.emit("state", state);
  }

  setRules({ rules, digest, undo = this.undoable }) {
    this.rules = rules;
    this.digest = digest;
    this.undoable = Boolean(undo);
    this.emit("rules");
  }

  addOwn(from, to) {
    if (from !== to) this.own.push({ from, to, told: false });
  }

  /** Whether own changes alone, the first `since` of all of them aside, lead from one configuration to the other. */
  ownWay(since, from, to) {
    let at = to;
    for (const change of this.own.slice(since).reverse()) {
      if (change.to === at) at = change.from;
      if (at === from) return true;
    }
    return false;
  }

  /** Whether what the stream tells of is a change of this page. Each is told once. */
  isOwn(digest) {
    const change = this.own.find(({ to, told }) => to === digest && !told);
    if (change) change.told = true;
    return Boolean(change);
  }

  setCounts({ counts, occupancy }) {
    this.#counts.clear();
    for (const { source, rule, direction, class: label, value } of counts ?? []) {
      if ((label ?? null) !== null) continue;
      const key = `${source}\n${rule}`;
      const all = this.#counts.get(key) ?? [];
      this.#counts.set(key, all);
      all.push([direction, value]);
    }
    this.occupancy = occupancy ?? [];
    this.emit("counts");
  }

  /** Adds events that are not known yet; `fresh`: they happened just now. */
  addEvents(events, fresh = true) {
    const added = events.filter((event) => !this.#ids.has(event.id));
    if (!added.length) return;
    for (const event of added) this.#ids.add(event.id);
    const all = [...added, ...this.events];
    if (added.length > 1 || (all.length > 1 && all[0].time < all[1].time)) {
      all.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
    }
    for (const old of all.splice(EVENTS_KEPT)) this.#ids.delete(old.id);
    this.events = all;
    this.emit("events", { added, fresh });
  }

  setSession(session) {
    this.session = session;
    this.emit("session");
  }

  setConnection(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.emit("connection");
  }

  /** Rules that look at a source. */
  rulesOf(source) {
    return this.rules.filter((rule) => !rule.sources?.length || rule.sources.includes(source));
  }

  /** What is counted of a rule at a source: [direction, value], over all classes. */
  countsOf(source, rule) {
    return this.#counts.get(`${source}\n${rule}`) ?? [];
  }

  /** Count of a line's direction, "in" or "out", at a source. Counts know directions by the names that the user gave them. */
  countOf(source, rule, direction) {
    const name = rule.labels?.[direction] ?? direction;
    return this.countsOf(source, rule.name).find(([way]) => way === name)?.[1] ?? 0;
  }

  /** "in" or "out" of what counts and events call a direction, "" of what is neither. */
  wayOf(source, ruleName, direction) {
    const labels = this.rules.find((rule) => rule.name === ruleName && rule.labels?.in && (!rule.sources?.length || rule.sources.includes(source)))?.labels;
    if (labels) return direction === labels.in ? "in" : direction === labels.out ? "out" : "";
    return { enter: "in", in: "in", joined: "in", leave: "out", out: "out", left: "out" }[direction] ?? "";
  }

  /** How a region, a queue or the like is now: {value, text}; null where nothing is said. */
  nowOf(source, rule) {
    return this.occupancy.find((o) => o.source === source && o.rule === rule) ?? null;
  }

  occupancyOf(source, rule) {
    return this.nowOf(source, rule)?.value ?? null;
  }
}

export const store = new Store();

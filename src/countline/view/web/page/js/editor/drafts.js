// Drafts of rules: what the editor changes until it is applied. Values alone; nothing here knows the page.
import { between, clamp, tidy } from "../geometry.js";
import { KINDS, LEAST, MOST, closed } from "../kinds.js";

let made = 0;

const copy = (value) => JSON.parse(JSON.stringify(value ?? null));

/** What of a rule's options stands elsewhere in a draft. */
const ELSEWHERE = new Set(["name", "source", "points"]);

/** The draft of a rule as it is. */
export function fromRule(rule) {
  const options = Object.fromEntries(Object.entries(copy(rule.options) ?? {}).filter(([key]) => !ELSEWHERE.has(key)));
  if (rule.arrow && !options.arrow) options.arrow = copy(rule.arrow);
  const draft = {
    key: `draft-${++made}`,
    kind: rule.kind,
    name: rule.name,
    was: rule.name,
    source: rule.sources?.length === 1 ? rule.sources[0] : null,
    points: copy(rule.points) ?? [],
    options,
    removed: false,
    editable: rule.editable !== false && Boolean(KINDS[rule.kind]) && Boolean(rule.points?.length),
    whyNot: rule.why_not ?? "",
    labels: copy(rule.labels) ?? {},
  };
  draft.before = essence(draft);
  return draft;
}

/** A new one. */
export function blank(kind, source, taken) {
  return { key: `draft-${++made}`, kind, name: freeName(kind, taken), was: null, source, points: [], options: {}, removed: false, editable: true, whyNot: "", labels: {}, before: null };
}

function freeName(kind, taken) {
  if (!taken.has(kind)) return kind;
  let n = 2;
  while (taken.has(`${kind}-${n}`)) n++;
  return `${kind}-${n}`;
}

export const shapeOf = (draft) => KINDS[draft.kind].shape;
export const isClosed = (draft) => closed(shapeOf(draft));

/** All that is said of a draft, to be compared. */
export const essence = ({ kind, name, source, points, options, removed }) => JSON.stringify([kind, name, source, points, sorted(options), removed]);
const sorted = (value) => (value && typeof value === "object" && !Array.isArray(value) ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value);

/** Whether it differs from what is in force. */
export const changed = (draft) => (draft.before === null ? !draft.removed : essence(draft) !== draft.before);

/** Whether two say the same rule, in whatever digits their points are written. */
export const alike = (a, b) => Boolean(a && b) && rounded(essence({ ...a, name: a.name.trim() })) === rounded(essence(b));
const rounded = (text) => text.replace(/-?\d+\.\d+(e[-+]?\d+)?/gi, (number) => Number(Number(number).toFixed(4)));

/** Why it cannot be applied yet, beside all drafts; "" if it can. */
export function lacking(draft, all) {
  if (draft.removed) return "";
  const meets = (other) => other !== draft && !other.removed && other.name.trim() === draft.name.trim();
  if (all.some((other) => meets(other) && (other.source === draft.source || other.source === null || draft.source === null))) {
    return `two rules are named '${draft.name.trim()}'`;
  }
  const shape = shapeOf(draft);
  if (draft.points.length < LEAST[shape]) return `${draft.name || "the new rule"} needs ${LEAST[shape] - draft.points.length} more`;
  if (!draft.name.trim()) return "it needs a name";
  const need = KINDS[draft.kind].options.find((o) => o.needed && draft.options[o.key] === undefined && !draft.options.world);
  return need ? `${draft.name} needs "${need.label}" in ${need.unit}` : "";
}

/** What the server is asked for. */
export function edit(draft) {
  if (draft.removed) return { op: "remove", kind: draft.kind, name: draft.was, source: draft.source };
  return { op: "put", kind: draft.kind, name: draft.name.trim(), was: draft.was, source: draft.source, points: copy(draft.points), options: copy(draft.options) };
}

/** As a rule, to be drawn. */
export const asRule = (draft, selected) => ({
  kind: draft.kind,
  name: draft.name,
  points: draft.points,
  options: draft.options,
  labels: { in: draft.options.names?.in ?? "in", out: draft.options.names?.out ?? "out" },
  arrow: draft.options.arrow,
  draft,
  selected,
  faint: !draft.editable,
});

/** Handles of a draft in the order in which Tab goes through them: {part, index, at, words}. */
export function handles(draft) {
  const n = draft.points.length;
  const found = draft.points.map((at, index) => ({ part: "points", index, at, words: `Point ${index + 1} of ${n}` }));
  (draft.options.arrow ?? []).forEach((at, index) => found.push({ part: "arrow", index, at, words: index ? "Head of the arrow" : "Tail of the arrow" }));
  return found;
}

/** Middles of edges, from which a new point may be drawn: {index, at}: it would come before point `index`. */
export function gaps(draft) {
  const shape = shapeOf(draft);
  if (MOST[shape] !== null || draft.points.length < 2) return [];
  const ends = closed(shape) ? draft.points.length : draft.points.length - 1;
  return Array.from({ length: ends }, (_, i) => ({ index: i + 1, at: between(draft.points[i], draft.points[(i + 1) % draft.points.length]) }));
}

const listOf = (draft, part) => (part === "arrow" ? draft.options.arrow : draft.points);

export const pointOf = (draft, { part, index }) => listOf(draft, part)?.[index];

// What is moved is rounded; what is not goes back to the file as it stood there.

/** Moves a point; `beyond`: it may lie somewhat outside the picture, as points in the file may. */
export function movePoint(draft, { part, index }, to, beyond = false) {
  listOf(draft, part)[index] = tidy(beyond ? to : to.map((v) => clamp(v)));
}

/** Moves all of it, as far as the picture allows. Gives how far it went. */
export function moveAll(draft, dx, dy) {
  const all = [...draft.points, ...(draft.options.arrow ?? [])];
  const limit = (values, by) => clamp(by, Math.min(0, -Math.min(...values)), Math.max(0, 1 - Math.max(...values)));
  const [mx, my] = tidy([limit(all.map((p) => p[0]), dx), limit(all.map((p) => p[1]), dy)]);
  const move = ([x, y]) => tidy([x + mx, y + my]);
  if (mx || my) draft.points = draft.points.map(move);
  if ((mx || my) && draft.options.arrow) draft.options.arrow = draft.options.arrow.map(move);
  return [mx, my];
}

export const insertPoint = (draft, index, at) => void draft.points.splice(index, 0, tidy(at));

/** Takes a point away, where the shape can do without it. */
export function removePoint(draft, { part, index }) {
  const shape = shapeOf(draft);
  if (part !== "points" || MOST[shape] !== null || draft.points.length <= LEAST[shape]) return false;
  draft.points.splice(index, 1);
  return true;
}

/** Turns a line, or an arrow, round: in becomes out. */
export function turn(draft) {
  if (draft.options.arrow) draft.options.arrow = [...draft.options.arrow].reverse();
  else draft.points = [...draft.points].reverse();
}

/** What is missing when all corners are placed: the arrow of a wrong-way area. */
export function complete(draft) {
  if (draft.kind !== "wrong-way" || draft.options.arrow) return;
  const [xs, ys] = [draft.points.map((p) => p[0]), draft.points.map((p) => p[1])];
  const [x, y] = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
  const far = Math.max(0.04, (Math.max(...ys) - Math.min(...ys)) * 0.3);
  draft.options.arrow = [[x, clamp(y + far)], [x, clamp(y - far)]].map(tidy);
}

/** A shape that a drag from `a` to `b` makes: a line, or a rectangle. */
export const dragged = (shape, a, b) => (closed(shape) ? [a, [b[0], a[1]], b, [a[0], b[1]]] : [a, b]).map(tidy);

/** Reads a value of the options by its key, which may be of two parts. */
export const option = (draft, key) => key.split(".").reduce((value, part) => value?.[part], draft.options);

/** Writes one; undefined takes it away, and with it what it leaves empty. */
export function setOption(draft, key, value) {
  const [first, second] = key.split(".");
  if (!second) {
    if (value === undefined) delete draft.options[first];
    else draft.options[first] = value;
    return;
  }
  const inner = { ...draft.options[first], [second]: value };
  if (value === undefined) delete inner[second];
  if (Object.keys(inner).length) draft.options[first] = inner;
  else delete draft.options[first];
}

/** Every state of the drafts so far, to go back and forth in. */
export class History {
  #states = [];
  #at = -1;

  /** Remembers the drafts as they are, if they differ from the state before. */
  push(drafts) {
    const state = JSON.stringify(drafts);
    if (state === this.#states[this.#at]) return;
    this.#states.splice(++this.#at, Infinity, state);
  }

  /** The drafts one step back (-1) or forth (1); null where there is none. */
  go(by) {
    const state = this.#states[this.#at + by];
    if (state === undefined) return null;
    this.#at += by;
    return JSON.parse(state);
  }

  get can() {
    return { undo: this.#at > 0, redo: this.#at < this.#states.length - 1 };
  }
}

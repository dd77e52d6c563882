// The kinds of rules: how they are drawn, and what can be said of each. The words are those of the configuration.

const classes = { key: "classes", label: "Classes", type: "words", hint: "names with commas between; all unless given" };
const anchor = {
  key: "anchor",
  label: "Point of the box that counts",
  type: "choice",
  choices: ["bottom-center", "center", "top-center", "bottom-left", "bottom-right", "top-left", "top-right", "center-left", "center-right"],
  standard: "bottom-center",
};
const band = { key: "band", label: "Band", type: "number", min: 0, max: 2, step: 0.01, hint: "of the longer side of the box; 0.13 unless given" };
const grace = { key: "grace", label: "Grace", type: "number", min: 0, max: 60, step: 0.1, unit: "s", standard: 1, hint: "an unseen object still counts as inside" };
const reset = { key: "reset", label: "Begin at 0 when it is moved", type: "switch", standard: false };

/**
 * `shape`: line (two or more points), arrow (tail and head), area (three or more), quad (four). `start`: the shape that is placed
 * in the middle of the picture. `options`: the form, in order; those with `more` stand under "More".
 */
export const KINDS = {
  line: {
    words: "Line",
    tells: "counts who crosses it, each way",
    shape: "line",
    start: [[0.25, 0.55], [0.75, 0.55]],
    options: [
      { key: "direction", label: "Count", type: "choice", choices: ["both", "in", "out"], standard: "both" },
      { key: "count", label: "Each object", type: "choice", choices: ["every", "once"], standard: "every", hint: "every time it crosses, or once" },
      classes,
      { ...anchor, more: true },
      { ...band, more: true },
      { ...reset, more: true },
    ],
  },
  region: {
    words: "Region",
    tells: "who is inside, and for how long",
    shape: "area",
    start: [[0.3, 0.4], [0.7, 0.4], [0.75, 0.8], [0.25, 0.8]],
    options: [
      { key: "dwell", label: "Tell a stay of", type: "number", min: 0, step: 1, unit: "s" },
      { key: "crowding.objects", label: "Crowded from", type: "number", min: 1, step: 1, unit: "objects" },
      { key: "crowding.seconds", label: "for at least", type: "number", min: 0, step: 1, unit: "s" },
      classes,
      { key: "inverse", label: "What is outside counts as inside", type: "switch", standard: false, more: true },
      { ...anchor, more: true },
      { ...band, more: true },
      { ...grace, more: true },
    ],
  },
  direction: {
    words: "Direction",
    tells: "who heads this way",
    shape: "arrow",
    start: [[0.5, 0.7], [0.5, 0.35]],
    options: [
      { key: "tolerance", label: "Within", type: "number", min: 1, max: 180, step: 1, unit: "°", standard: 45 },
      { key: "window", label: "Measured over", type: "number", min: 0.1, step: 0.1, unit: "s", standard: 1 },
      { key: "distance", label: "Least way", type: "number", min: 0, step: 0.05, unit: "sizes", standard: 0.25 },
      classes,
      { ...anchor, more: true },
    ],
  },
  speed: {
    words: "Speed",
    tells: "km/h over a rectangle of known size on the ground",
    shape: "quad",
    start: [[0.4, 0.4], [0.6, 0.4], [0.75, 0.8], [0.25, 0.8]],
    options: [
      { key: "width", label: "Point 1 to 2", type: "number", min: 0.1, step: 0.1, unit: "m", needed: true },
      { key: "length", label: "Point 2 to 3", type: "number", min: 0.1, step: 0.1, unit: "m", needed: true },
      { key: "limit", label: "Tell above", type: "number", min: 1, step: 1, unit: "km/h" },
      classes,
      { key: "window", label: "Measured over", type: "number", min: 0.1, max: 30, step: 0.1, unit: "s", standard: 1, more: true },
      { ...anchor, more: true },
    ],
  },
  queue: {
    words: "Queue",
    tells: "how many wait, and how long",
    shape: "area",
    start: [[0.3, 0.45], [0.7, 0.45], [0.7, 0.75], [0.3, 0.75]],
    options: [
      { key: "after", label: "Waits after", type: "number", min: 0, step: 1, unit: "s", standard: 5 },
      { key: "max_length", label: "Tell more than", type: "number", min: 0, step: 1, unit: "objects" },
      { key: "max_wait", label: "Tell a wait over", type: "number", min: 0, step: 1, unit: "s" },
      classes,
      { ...anchor, more: true },
      { ...band, more: true },
      { ...grace, more: true },
    ],
  },
  "wrong-way": {
    words: "Wrong way",
    tells: "who goes against the arrow",
    shape: "area",
    start: [[0.3, 0.35], [0.7, 0.35], [0.75, 0.8], [0.25, 0.8]],
    arrow: [[0.5, 0.72], [0.5, 0.45]],
    options: [
      { key: "tolerance", label: "Within", type: "number", min: 1, max: 90, step: 1, unit: "°", standard: 60, hint: "of the arrow's reverse" },
      { key: "seconds", label: "For at least", type: "number", min: 0, step: 0.1, unit: "s", standard: 1 },
      { key: "distance", label: "and", type: "number", min: 0.05, step: 0.05, unit: "sizes", standard: 1 },
      classes,
      { ...anchor, more: true },
    ],
  },
};

export const wordsOf = (kind) => KINDS[kind]?.words ?? (kind === "journey" ? "Journey" : kind);

/** Least number of points of a shape. */
export const LEAST = { line: 2, arrow: 2, area: 3, quad: 4 };
/** Most, or null. */
export const MOST = { line: null, arrow: 2, area: null, quad: 4 };
export const closed = (shape) => shape === "area" || shape === "quad";

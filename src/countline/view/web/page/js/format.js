// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12,345 */
export const count = (value) => (value === null || value === undefined ? "–" : whole.format(value));

/** 9.8/s */
export const rate = (value) => (!value ? "0/s" : `${value < 10 ? value.toFixed(1) : Math.round(value)}/s`);

/** A span of seconds: 80 ms, 1.2 s, 3 min, 2 h, 4 d. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

/** Age of a picture. One of days is that of a recording, and says nothing. */
export const age = (seconds) => (seconds === null || seconds === undefined || seconds > 86400 ? "" : span(seconds));

/** 1.4 MB */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  let size = value;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/** A Date of what the server says: RFC 3339, or seconds since the epoch. */
export const moment = (value) => new Date(typeof value === "number" ? value * 1000 : value);

const clockForm = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayForm = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** 14:03:22, with the day where it is not today's. */
export function clock(value) {
  const date = moment(value);
  if (Number.isNaN(date.getTime())) return "–";
  const time = clockForm.format(date);
  return date.toDateString() === new Date().toDateString() ? time : `${dayForm.format(date)}, ${time}`;
}

/** "for 3 min", of a moment in the past. */
export function since(value, now = Date.now()) {
  const date = moment(value);
  return Number.isNaN(date.getTime()) ? "" : `for ${span((now - date.getTime()) / 1000)}`;
}

/** "3 cameras", "1 camera". */
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

/** A coordinate as it is written in the YAML: at most four digits, none in vain. */
export const coordinate = (value) => String(Math.round(value * 10000) / 10000);

const STATES = {
  "connecting": ["Connecting", "wait"],
  "live": ["Live", "good"],
  "degraded": ["Degraded", "warn"],
  "stalled": ["Stalled", "bad"],
  "waiting-for-key-frame": ["Waiting for a key frame", "wait"],
  "refused": ["Refused", "bad"],
  "failed": ["Failed", "bad"],
  "ended": ["Ended", "calm"],
};

/** [words, tone] of a source's state. */
export const stateWords = (state) => STATES[state] ?? [state, "calm"];

const TROUBLE = { bad: 0, warn: 1, wait: 2, good: 3, calm: 4 };

/** Order of a source: the most troubled first. */
export const troubleOf = (source) => TROUBLE[stateWords(source.state)[1]];

// Counts over time: what went in above the axis, what went out below it.
import { get } from "./api.js";
import { el, mark } from "./dom.js";
import { clock, count } from "./format.js";
import { recall, remember } from "./memory.js";
import { store } from "./store.js";

const RANGES = { 15: "15 min", 60: "1 h", 360: "6 h", 1440: "24 h" };
const REFRESH = 20000;
const MOST_BARS = 96;
const LEAST_BARS = 12;
const MOST_SERIES = 10; // more can be read in the table only
const HEIGHT = 150;

export class Chart {
  #source;
  #minutes = Number(recall("minutes", "60"));
  #plot = null;
  #loaded = 0;
  #series = [];
  #rules = "";

  constructor(source) {
    this.#source = source;
    this.ranges = el("div", { class: "segments", role: "group", "aria-label": "Span of the chart" });
    for (const [minutes, words] of Object.entries(RANGES)) {
      this.ranges.append(el("button", { type: "button", text: words, "aria-pressed": String(Number(minutes) === this.#minutes), data: { minutes }, on: { click: () => this.#choose(Number(minutes)) } }));
    }
    this.legend = el("ul", { class: "legend" });
    this.canvas = el("div", { class: "plot", "aria-hidden": "true" });
    this.table = el("div", { class: "scroll" });
    this.details = el("details", { class: "as-table" }, el("summary", { text: "As a table" }), this.table);
    this.details.addEventListener("toggle", () => this.#drawTable());
    this.root = el("section", { class: "card chart", "aria-label": "Counts over time" }, el("header", {}, el("h2", { text: "Counts" }), this.legend, this.ranges), this.canvas, this.details);
    this.sized = new ResizeObserver(() => this.#plot?.setSize({ width: this.canvas.clientWidth, height: HEIGHT }));
    this.sized.observe(this.canvas);
    this.onTheme = () => this.#draw();
    document.addEventListener("themechange", this.onTheme);
  }

  destroy() {
    this.sized.disconnect();
    document.removeEventListener("themechange", this.onTheme);
    this.#plot?.destroy();
  }

  setRules(rules) {
    const names = JSON.stringify(rules.map((rule) => [rule.name, rule.labels]));
    if (names === this.#rules) return;
    this.#rules = names;
    this.load();
  }

  /** Called once a second: loads anew when it is time. */
  tick() {
    if (!document.hidden && performance.now() - this.#loaded > REFRESH) this.load();
  }

  #choose(minutes) {
    this.#minutes = minutes;
    remember("minutes", String(minutes));
    for (const button of this.ranges.children) mark(button, "aria-pressed", Number(button.dataset.minutes) === minutes);
    this.load();
  }

  async load() {
    this.#loaded = performance.now();
    try {
      const history = await get("history", { source: this.#source, minutes: this.#minutes });
      this.#series = gather(history, this.#minutes);
    } catch {
      return; // what is shown stays; the banner says why
    }
    const order = store.rules.map((rule) => rule.name);
    const place = (s) => (s.rule && order.includes(s.rule) ? order.indexOf(s.rule) : order.length);
    this.#series.series.sort((a, b) => place(a) - place(b) || this.#below(a) - this.#below(b));
    this.#draw();
  }

  #label({ rule, direction }) {
    return `${rule} ${direction ?? ""}`.trim();
  }

  /** Below the axis: what goes out. */
  #below(s) {
    return store.wayOf(this.#source, s.rule, s.direction) === "out";
  }

  #draw() {
    const { times, end } = this.#series;
    const series = this.#series.series?.slice(0, MOST_SERIES);
    if (!times || !globalThis.uPlot || !this.canvas.clientWidth) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    // what goes in and out of one rule has one colour, above and below the axis; alone it has those of in and out
    const keyOf = (s) => JSON.stringify([s.rule, store.wayOf(this.#source, s.rule, s.direction) ? "" : s.direction]);
    const keys = [...new Set(series.map(keyOf))];
    const colourOf = (s) => (keys.length === 1 ? colour(this.#below(s) ? "--out" : "--in") : colour(`--series-${(keys.indexOf(keyOf(s)) % 6) + 1}`));
    this.legend.replaceChildren(
      ...series.map((s) => el("li", {}, el("i", { class: this.#below(s) ? "out" : "", style: { "--colour": colourOf(s) } }), el("span", { text: this.#label(s) }), el("b", { text: count(s.total) }))),
    );
    this.#plot?.destroy();
    this.#plot = new globalThis.uPlot(
      this.#options(series, colour, colourOf),
      [[...times, end], ...series.map((s) => [...s.values, s.values.at(-1)].map((v) => (this.#below(s) ? -v : v)))],
      this.canvas,
    );
    this.#drawTable();
  }

  #options(series, colour, colourOf) {
    const axis = { stroke: colour("--muted"), font: "11px Inter, system-ui, sans-serif", grid: { stroke: colour("--hair"), width: 1 }, ticks: { show: false } };
    const stepped = globalThis.uPlot.paths.stepped({ align: 1 });
    return {
      width: this.canvas.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      padding: [8, 18, 0, 0],
      scales: { y: { range: (_, low, high) => reach(low, high) } },
      axes: [
        { ...axis, size: 30, grid: { show: false }, values: (_, marks) => marks.map((t) => clock(t).slice(-8, -3)) },
        { ...axis, size: 36, values: (_, marks) => marks.map((v) => (Number.isInteger(v) ? count(Math.abs(v)) : "")) },
      ],
      series: [{}, ...series.map((s) => ({ stroke: colourOf(s), fill: `${colourOf(s)}28`, width: 1.6, paths: stepped, points: { show: false } }))],
    };
  }

  #drawTable() {
    if (!this.details.open || !this.#series.times) return;
    const { times, series } = this.#series;
    const rows = times.map((t, i) => [clock(t).slice(-8, -3), ...series.map((s) => s.values[i])]).filter(([, ...values]) => values.some(Boolean));
    this.table.replaceChildren(
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "From" }), series.map((s) => el("th", { scope: "col", text: this.#label(s) })))),
        el("tbody", {}, rows.reverse().map(([time, ...values]) => el("tr", {}, el("th", { scope: "row", text: time }), values.map((v) => el("td", { text: count(v) }))))),
        el("tfoot", {}, el("tr", {}, el("th", { scope: "row", text: "In all" }), series.map((s) => el("td", { text: count(s.total) })))),
      ),
    );
  }
}

/** Room around what is drawn, and the axis in the middle where nothing is. */
function reach(low, high) {
  const most = Math.max(high ?? 0, 0);
  const least = Math.min(low ?? 0, 0);
  if (most === 0 && least === 0) return [-1, 4];
  const room = Math.max(1, (most - least) * 0.08);
  return [least < 0 ? Math.floor(least - room) : 0, Math.ceil(most + room)];
}

/** One value a bar, of at most MOST_BARS bars; without the long time in which nothing was, before the first event. */
export function gather({ step, start, series }, minutes) {
  const begin = typeof start === "number" ? start : Date.parse(start) / 1000;
  const length = Math.max(0, ...series.map((s) => s.values.length)) || Math.round((minutes * 60) / step);
  const per = Math.max(1, Math.ceil((minutes * 60) / step / MOST_BARS));
  const bars = Math.ceil(length / per);
  const first = Math.min(bars, ...series.map((s) => s.values.findIndex(Boolean)).filter((at) => at >= 0).map((at) => Math.floor(at / per)));
  const from = first === bars ? 0 : Math.max(0, Math.min(first - 1, bars - LEAST_BARS));
  const times = Array.from({ length: bars - from }, (_, i) => begin + (from + i) * per * step);
  return {
    times,
    end: begin + length * step,
    series: series.map(({ rule, direction, values }) => {
      const sums = times.map((_, i) => values.slice((from + i) * per, (from + i + 1) * per).reduce((a, b) => a + (b ?? 0), 0));
      return { rule, direction, values: sums, total: sums.reduce((a, b) => a + b, 0) };
    }),
  };
}

// The wall: a tile for each camera. Frames are asked for by those in view only.
import { el, mark, reconcile, say, uid } from "./dom.js";
import { icon } from "./icons.js";
import { fit } from "./fit.js";
import { bind } from "./keys.js";
import { age, count, many, rate, since, stateWords, troubleOf } from "./format.js";
import { frames } from "./frames.js";
import { Picture } from "./picture.js";
import { store } from "./store.js";
import { recall, remember } from "./memory.js";

const SETTLE = 4000; // ms for which an order stays: tiles do not jump about with a camera that comes and goes

export function wall() {
  const view = new Wall();
  return { root: view.root, title: "Wall", destroy: () => view.destroy() };
}

class Wall {
  #tiles = new Map();
  #filter = { text: "", trouble: new URLSearchParams(location.hash.split("?")[1]).has("trouble"), sort: recall("sort", "trouble") };
  #order = [];
  #sorted = 0;
  #off = [];
  #seenBy;
  #resized = () => {
    this.#fit(store.sources.size);
    this.#rewatch();
  };

  constructor() {
    this.grid = el("ul", { class: "grid", data: { size: recall("size", "fit") } });
    this.empty = el("p", { class: "empty", hidden: true });
    this.root = el("section", { class: "wall", "aria-label": "Cameras" }, this.#tools(), this.grid, this.empty);
    this.#seenBy = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "80px" });
    this.#off.push(store.on("state", () => this.update()), store.on("rules", () => this.#rules()), store.on("counts", () => this.#counts()));
    this.#off.push(
      bind("Wall", {
        "/": ["Filter the cameras", () => this.search.focus()],
        "x": ["Only those with trouble", () => this.#setTrouble(!this.#filter.trouble)],
        "ArrowRight": ["Next camera", (event) => this.#step(event, 1)],
        "ArrowLeft": ["Previous camera", (event) => this.#step(event, -1)],
        "ArrowDown": ["", (event) => this.#step(event, this.#columns())],
        "ArrowUp": ["", (event) => this.#step(event, -this.#columns())],
      }),
    );
    addEventListener("resize", this.#resized);
    this.update(true);
  }

  destroy() {
    removeEventListener("resize", this.#resized);
    for (const off of this.#off) off();
    this.#seenBy.disconnect();
    for (const tile of this.#tiles.values()) tile.unwatch();
  }

  #tools() {
    this.search = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter cameras by name, state or reason", autocomplete: "off", spellcheck: "false" });
    this.search.addEventListener("input", () => {
      this.#filter.text = this.search.value.trim().toLowerCase();
      this.update(true);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.search.value = this.#filter.text = "";
      this.search.blur();
      this.update(true);
    });
    this.all = el("button", { type: "button", on: { click: () => this.#setTrouble(false) } });
    this.trouble = el("button", { type: "button", on: { click: () => this.#setTrouble(true) } });
    const sort = el(
      "select",
      { "aria-label": "Order", on: { change: () => this.#sortBy(sort.value) } },
      [["trouble", "Troubled first"], ["name", "By name"], ["given", "As configured"]].map(([value, text]) => el("option", { value, text, selected: value === this.#filter.sort })),
    );
    const sizes = el("div", { class: "segments sizes", role: "group", "aria-label": "Size of the tiles" });
    for (const [size, words] of [["fit", "All on the screen"], ["s", "Small"], ["m", "Medium"], ["l", "Large"]]) {
      const button = el("button", { type: "button", "aria-label": words, title: words, "aria-pressed": String(this.grid.dataset.size === size) }, size === "fit" ? icon("expand") : el("i", { class: `square ${size}` }));
      button.addEventListener("click", () => {
        remember("size", size);
        this.grid.dataset.size = size;
        for (const other of sizes.children) mark(other, "aria-pressed", other === button);
        this.#fit(store.sources.size);
        this.#rewatch();
      });
      sizes.append(button);
    }
    return el(
      "div",
      { class: "tools" },
      el("label", { class: "search" }, icon("search"), this.search, el("kbd", { text: "/" })),
      el("div", { class: "segments", role: "group", "aria-label": "Which cameras" }, this.all, this.trouble),
      el("span", { class: "spring" }),
      sort,
      sizes,
    );
  }

  #sortBy(sort) {
    remember("sort", sort);
    this.#filter.sort = sort;
    this.update(true);
  }

  #setTrouble(only) {
    this.#filter.trouble = only;
    this.update(true);
  }

  /** Brings tiles up to date; `now`: in a new order, too, since the user asked for it. */
  update(now = false) {
    const sources = [...store.sources.values()];
    const troubled = sources.filter((s) => troubleOf(s) < 3);
    say(this.all, `All ${sources.length}`);
    say(this.trouble, `Trouble ${troubled.length}`);
    mark(this.all, "aria-pressed", !this.#filter.trouble);
    mark(this.trouble, "aria-pressed", this.#filter.trouble);
    this.trouble.classList.toggle("some", troubled.length > 0);
    const shown = this.#arrange(sources, now || (sources.length > 0 && !this.#order.length));
    this.#shape(sources);
    this.#fit(sources.length);
    const first = !this.grid.firstChild;
    reconcile(this.grid, shown, (s) => s.name, (s) => this.#make(s), (node, s) => node._tile.update(s));
    if (first) requestAnimationFrame(() => this.#fit(store.sources.size));
    this.#say(sources, shown);
  }

  #say(sources, shown) {
    const text =
      store.state === null
        ? ""
        : !sources.length
          ? "No camera is configured. Add one under `sources:` in the configuration."
          : shown.length
            ? ""
            : this.#filter.trouble && !this.#filter.text
              ? "No camera has trouble."
              : "No camera fits the filter.";
    say(this.empty, text);
    this.empty.toggleAttribute("hidden", !text);
  }

  /** The shape of all tiles: that of most pictures, so that most have no bars beside them. */
  #shape(sources) {
    const votes = new Map();
    for (const { width, height } of sources) if (width && height) votes.set(`${width} / ${height}`, (votes.get(`${width} / ${height}`) ?? 0) + 1);
    const [shape] = [...votes].sort((a, b) => b[1] - a[1])[0] ?? [null];
    if (!shape || shape === this.shape) return;
    this.shape = shape;
    const [width, height] = shape.split(" / ");
    this.grid.style.setProperty("--shape", shape);
    this.ratio = width / height;
  }

  /** Makes tiles as large as all of them can be on the screen, where that is wanted. */
  #fit(n) {
    if (this.grid.dataset.size !== "fit" || !n || !this.grid.isConnected) return;
    const [tile, frame] = [this.grid.querySelector(".tile"), this.grid.querySelector(".frame")];
    const caption = tile ? tile.offsetHeight - frame.offsetHeight : 62;
    const top = this.grid.getBoundingClientRect().top + scrollY;
    const gap = parseFloat(getComputedStyle(this.grid).columnGap) || 14;
    const { columns, width } = fit(n, { width: this.grid.clientWidth, height: innerHeight - top - 20, ratio: this.ratio ?? 16 / 9, caption, gap });
    this.grid.style.setProperty("--columns", columns);
    this.grid.style.setProperty("--width", `${width}px`);
  }

  #arrange(sources, now) {
    const { text, trouble, sort } = this.#filter;
    const fits = sources.filter((s) => (!trouble || troubleOf(s) < 3) && (!text || `${s.name} ${s.device_id ?? ""} ${s.state} ${s.reason}`.toLowerCase().includes(text)));
    const busy = this.grid.matches(":hover, :focus-within");
    const at = new Map(this.#order.map((name, i) => [name, i]));
    if (now || (!busy && performance.now() - this.#sorted > SETTLE)) {
      this.#sorted = performance.now();
      if (sort === "name") fits.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
      if (sort === "trouble") fits.sort((a, b) => troubleOf(a) - troubleOf(b));
    } else fits.sort((a, b) => (at.get(a.name) ?? 1e9) - (at.get(b.name) ?? 1e9));
    this.#order = fits.map((s) => s.name);
    return fits;
  }

  #make(source) {
    const tile = new Tile(source);
    tile.root._tile = tile;
    tile.root._gone = () => {
      tile.unwatch();
      this.#seenBy.unobserve(tile.root);
      this.#tiles.delete(source.name);
    };
    this.#tiles.set(source.name, tile);
    this.#seenBy.observe(tile.root);
    return tile.root;
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) target._tile.visible = isIntersecting;
    this.#rewatch();
  }

  /** Asks for frames of the tiles in view: the more there are, the fewer a second each. */
  #rewatch() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => {
      const visible = [...this.#tiles.values()].filter((tile) => tile.visible);
      const n = visible.length;
      const fps = n <= 4 ? 10 : n <= 12 ? 6 : n <= 30 ? 4 : 2;
      for (const tile of this.#tiles.values()) tile.visible ? tile.watch(fps) : tile.unwatch();
    }, 80);
  }

  #rules() {
    for (const tile of this.#tiles.values()) tile.drawRules();
  }

  #counts() {
    for (const tile of this.#tiles.values()) if (tile.visible) tile.updateCounts();
  }

  #columns() {
    return getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
  }

  #step(event, by) {
    const links = [...this.grid.querySelectorAll(".tile")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) {
      if (event.target !== document.body && event.target.id !== "main") return false;
      links[0]?.focus();
      return true;
    }
    links[Math.min(links.length - 1, Math.max(0, at + by))].focus();
    return true;
  }
}

class Tile {
  visible = false;
  #name;
  #stop = null;
  #asked = "";

  constructor(source) {
    this.#name = source.name;
    this.picture = new Picture();
    const [heading, state, reason, facts] = ["camera", "state", "reason", "facts"].map(uid);
    this.state = el("span", { class: "chip", id: state });
    this.reason = el("p", { class: "reason", id: reason });
    this.counts = el("span", { class: "tallies" });
    this.facts = el("span", { class: "facts", id: facts });
    this.link = el(
      "a",
      { class: "tile", href: `#/camera/${encodeURIComponent(source.name)}`, "aria-labelledby": heading, "aria-describedby": `${state} ${reason} ${facts}` },
      el("div", { class: "frame" }, this.picture.root, this.reason),
      el(
        "div",
        { class: "caption" },
        el("span", { class: "title", id: heading, text: source.name }),
        this.counts,
        this.state,
        this.facts,
      ),
    );
    this.root = el("li", {}, this.link);
    this.drawRules();
  }

  watch(fps) {
    const pixels = this.picture.root.clientWidth * Math.min(2, devicePixelRatio || 1);
    const width = Math.min(960, Math.max(160, Math.ceil(pixels / 80) * 80));
    const asked = `${width} ${fps}`;
    if (asked === this.#asked) return;
    const before = this.#stop;
    this.#asked = asked;
    this.#stop = frames.watch(this.#name, { width, fps }, (frame) => this.picture.show(frame));
    before?.();
  }

  unwatch() {
    this.#stop?.();
    this.#stop = null;
    this.#asked = "";
  }

  update(source) {
    const [words, tone] = stateWords(source.state);
    this.picture.setSource(source);
    say(this.state, words);
    mark(this.state, "data-tone", tone);
    mark(this.link, "data-tone", tone);
    const trouble = tone !== "good" && tone !== "calm";
    say(this.reason, trouble ? `${source.reason || words}, ${since(source.since)}` : "");
    const drops = source.dropped ? many(source.dropped, "drop") : "no drops";
    say(this.facts, [rate(source.rates?.frames), age(source.age), drops].filter(Boolean).join(" · "));
  }

  drawRules() {
    const rules = store.rulesOf(this.#name);
    const lookUp = { count: (rule, d) => store.countOf(this.#name, rule, d), occupancy: (rule) => store.occupancyOf(this.#name, rule.name) };
    this.picture.setRules(rules, lookUp);
    this.lines = rules.filter((rule) => rule.kind === "line");
    this.updateCounts();
  }

  updateCounts() {
    this.picture.updateCounts();
    const sum = (direction) => this.lines.reduce((n, rule) => n + store.countOf(this.#name, rule, direction), 0);
    if (!this.lines.length) return this.counts.replaceChildren();
    if (!this.counts.children.length) this.counts.append(tally("in"), tally("out"));
    const [into, out] = this.counts.children;
    say(into.lastChild, count(sum("in")));
    say(out.lastChild, count(sum("out")));
  }
}

const tally = (direction) => el("span", { class: `tally ${direction}`, title: `${direction}, all lines` }, icon("arrow"), el("b"));

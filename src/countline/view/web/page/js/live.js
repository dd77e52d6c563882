// The stream of states, counts and events. It is read with fetch, not EventSource: so the back-off is ours, and the events
// that were missed while the server was away are asked for by their id.
import { address, askToSignIn, get, refreshSession } from "./api.js";
import { giveUpReading, readRules, rulesTold } from "./rules.js";
import { store } from "./store.js";

const SILENCE = 6000; // ms; the state comes once a second, so this is a dead connection
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;
const NEWEST = 200;

let lastId = null;
let attempt = 0;
let wake = null;
let retryAt = 0;

/** When the next attempt is made (ms since the epoch); 0 while connected. */
export const nextAttempt = () => retryAt;

/** Try now. */
export function reconnectNow() {
  attempt = 0;
  wake?.();
}

/** Connects, and connects again for as long as the page lives. */
export async function follow() {
  for (;;) {
    const controller = new AbortController();
    try {
      await refreshAll();
      await read(controller);
    } catch {
      // whatever it was, the next attempt says more
    }
    controller.abort();
    giveUpReading();
    store.setConnection("lost");
    await pause();
  }
}

/** All that may have changed while nobody listened. */
async function refreshAll() {
  await refreshSession();
  // beyond this machine looking needs the password, too
  while (store.session.read_needs_sign_in && !store.session.signed_in) await askToSignIn();
  const [state, counts, events] = await Promise.all([get("state"), get("counts"), get("events", { limit: NEWEST }), readRules()]);
  store.setCounts(counts);
  store.setState(state);
  store.addEvents(events.events ?? events, false);
}

function pause() {
  const spread = 0.7 + Math.random() * 0.6; // fifty pages do not come back at one moment
  const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt++) * spread;
  retryAt = Date.now() + delay;
  store.emit("retry");
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delay);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  }).finally(() => {
    wake = null;
    retryAt = 0;
    store.emit("retry");
  });
}

async function read(controller) {
  const headers = { Accept: "text/event-stream" };
  if (lastId !== null) headers["Last-Event-ID"] = lastId;
  const response = await fetch(address("stream"), { headers, credentials: "same-origin", cache: "no-store", signal: controller.signal });
  if (!response.ok || !response.body) throw new Error(`stream: ${response.status}`);
  attempt = 0;
  store.setConnection("open");
  let dead = setTimeout(() => controller.abort(), SILENCE);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let caughtUp = lastId !== null;
  const parser = new Parser((kind, text, id) => {
    dispatch(kind, text, id);
    if (caughtUp || kind !== "state") return;
    caughtUp = true; // from the first state on, the stream tells of every event; not of those between the first reading and its beginning
    readEvents(NEWEST);
  });
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(dead);
      dead = setTimeout(() => controller.abort(), SILENCE);
      parser.feed(value);
    }
  } finally {
    clearTimeout(dead);
  }
}

/** Server-sent events, as the HTML standard has them. */
export class Parser {
  #rest = "";
  #event = "";
  #data = [];
  #id = null;
  #take;

  constructor(take) {
    this.#take = take;
  }

  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) this.#take(this.#event || "message", this.#data.join("\n"), this.#id);
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id") this.#id = value;
  }
}

function readEvents(limit) {
  get("events", { limit }).then(({ events }) => store.addEvents(events, false), () => {});
}

function dispatch(kind, text, id) {
  if (id !== null) lastId = id;
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    return;
  }
  if (kind === "state") {
    store.setState(data);
    if (data.config) rulesTold(data.config);
  } else if (kind === "counts") store.setCounts(data);
  else if (kind === "event") store.addEvents([data]);
  else if (kind === "rules") rulesTold(data);
  else if (kind === "missed") {
    store.emit("missed", data);
    readEvents(500);
  } else if (kind === "config") {
    store.emit("config", data);
    rulesTold(data);
  }
}

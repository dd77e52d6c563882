// Live pictures over one WebSocket, for those sources alone that somebody looks at.
import { address } from "./api.js";
import { store } from "./store.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;
const MOST = 64; // sources that the server shows over one socket

class Frames {
  /** Watchers by source: each {width, fps, show}. */
  #watched = new Map();
  #socket = null;
  #attempt = 0;
  #timer = null;
  #said = "";

  constructor() {
    document.addEventListener("visibilitychange", () => this.#tell());
    store.on("session", () => this.#tell());
    let names = "";
    store.on("state", () => {
      const now = [...store.sources.keys()].join("\n");
      if (now !== names) this.#tell();
      names = now;
    });
  }

  /**
   * Shows frames of a source from now on: `show({meta, bitmap})`, after which the bitmap is closed. Returns what ends it.
   * Of several watchers of a source the largest width and rate are asked for.
   */
  watch(source, { width, fps }, show) {
    const watcher = { width, fps, show };
    const all = this.#watched.get(source) ?? new Set();
    this.#watched.set(source, all.add(watcher));
    this.#tell();
    return () => {
      all.delete(watcher);
      if (!all.size && this.#watched.get(source) === all) this.#watched.delete(source);
      this.#tell();
    };
  }

  /** Sends the list of what is watched, once for all changes of a moment. */
  #tell() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#watched.size && !this.#socket) return;
      if (!this.#socket) return this.#open();
      if (this.#socket.readyState !== WebSocket.OPEN) return;
      const list = document.hidden ? [] : this.#list();
      const text = JSON.stringify({ watch: list });
      if (text === this.#said) return;
      this.#said = text;
      this.#socket.send(text);
    }, 60);
  }

  #list() {
    const known = [...this.#watched].filter(([source]) => store.sources.has(source));
    return known.slice(0, MOST).map(([source, all]) => ({
      source,
      width: Math.max(...[...all].map((w) => w.width)),
      fps: Math.max(...[...all].map((w) => w.fps)),
    }));
  }

  #open() {
    const { read_needs_sign_in: closed, signed_in: signedIn } = store.session;
    if (closed && !signedIn) return; // whoever signs in is told
    const url = address("frames");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.#attempt = 0;
      this.#said = "";
      this.#tell();
    });
    socket.addEventListener("message", ({ data }) => typeof data !== "string" && this.#take(socket, data));
    socket.addEventListener("close", () => {
      this.#socket = null;
      const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt++) * (0.7 + Math.random() * 0.6);
      setTimeout(() => this.#watched.size && !this.#socket && this.#open(), delay);
    });
  }

  /** Try again at once: the server is known to be back. */
  hurry() {
    this.#attempt = 0;
    if (this.#watched.size && !this.#socket) this.#open();
  }

  async #take(socket, buffer) {
    const length = new DataView(buffer).getUint32(0);
    const meta = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    try {
      if (this.#watched.has(meta.source)) {
        const jpeg = new Uint8Array(buffer, 4 + length); // empty where the run has no pixels
        const bitmap = jpeg.length ? await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })) : null;
        for (const watcher of this.#watched.get(meta.source) ?? []) watcher.show({ meta, bitmap });
        bitmap?.close();
      }
    } catch {
      // a picture that cannot be decoded is passed over; the next one comes
    } finally {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: meta.source }));
    }
  }
}

export const frames = new Frames();

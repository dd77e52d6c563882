// The rules as the server has them, and this page's own changes of them. What the stream tells is only ever a reason to read them:
// one request at a time, each asked for after the one before was answered, so that no older answer replaces a newer one.
import { get, write } from "./api.js";
import { store } from "./store.js";

const READ = 20000; // ms, so that a dead connection does not keep all later readings waiting
const CHANGE = 90000; // ms; outputs that are taken away have their time to finish

let running = null;
let next = null;
let controller = null;

/** Reads the rules. Resolves when the store has an answer that was asked for after this call. */
export function readRules() {
  if (next) return next;
  if (!running) return begin();
  next = running.catch(() => {}).then(() => {
    next = null;
    return begin();
  });
  return next;
}

function begin() {
  controller = new AbortController();
  const late = setTimeout(giveUpReading, READ);
  running = get("rules", {}, controller.signal)
    .then((rules) => store.setRules(rules))
    .finally(() => {
      clearTimeout(late);
      running = null;
    });
  return running;
}

/** No answer is to be waited for any more: the connection is gone. */
export function giveUpReading() {
  controller?.abort(new Error("no answer")); // told as a server that cannot be reached
}

/**
 * The stream tells which rules hold: they are read if they are others than those that are known. The state tells it each second, so
 * that one reading that failed, or news that came between the first reading and the stream's beginning, leave nothing behind.
 */
export function rulesTold({ digest, undo = store.undoable }) {
  if (digest !== store.digest || Boolean(undo) !== store.undoable) readRules().catch(() => {});
}

/**
 * As `write`, for what changes the configuration. While it is under way nobody judges of what the stream tells; when it has ended,
 * well or not, the rules that hold then are in the store, and it is known whether the change was this page's.
 */
export async function change(path, data) {
  store.changing++;
  try {
    const told = await write(path, data, CHANGE);
    if (told) store.addOwn(data.base, told.digest);
    return told;
  } finally {
    await readRules().catch(() => {});
    store.changing--;
    store.emit("settled");
  }
}

/** Whether nobody can say what became of a request: there was no answer, or one of something in between. */
export const unknownEnd = (error) => !error.status || error.status === 502 || error.status === 504;

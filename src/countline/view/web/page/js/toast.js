// Short words at the edge of the page, read out where somebody listens.
import { el } from "./dom.js";
import { iconButton } from "./icons.js";

const TICK = 250; // ms
const LONGEST_TICK = 2 * TICK; // a page that was kept from working for longer was not read meanwhile
const LEAST = 6000; // ms for which words are to be seen
const WITH_ACTION = 20000;
const AFTER = 2000; // ms that are left, at least, to whoever has pointed at them
const LETTER = 60; // ms to read one
const MOST = 20000;
const GAP = 8; // pixels between two

const region = document.getElementById("toasts");
const [alerts, news] = region.children;
const shown = new Set();
let ticking = null;
/** Whether somebody points at them: has moved there, that is; words may also appear where a pointer rests. */
let pointed = false;
region.addEventListener("pointermove", (event) => {
  if (event.movementX || event.movementY) pointed = event.pointerType !== "touch"; // a browser also tells of moves that were none
});
addEventListener("resize", stack);

/**
 * Says something for a while; `tone`: good, bad or calm; `action`: [words, run]. Bad news stays until it is closed. The time of the
 * others runs while they can be read: from when they are drawn, not while the page is hidden, and not while somebody points at them
 * or has the focus in them.
 */
export function toast(text, { tone = "calm", action = null, detail = "" } = {}) {
  const node = el(
    "div",
    { class: "toast", data: { tone } },
    el("div", { class: "said" }, el("p", { text }), detail ? el("p", { class: "detail", text: detail }) : null),
    action ? el("button", { type: "button", class: "button", text: action[0], on: { click: () => (close(), action[1]()) } }) : null,
    iconButton("close", "Close", { on: { click: () => close() } }),
  );
  const bad = tone === "bad";
  const each = { node, left: bad ? Infinity : action ? WITH_ACTION : Math.min(MOST, Math.max(LEAST, LETTER * (text.length + detail.length))) };
  const close = () => take(each);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation(); // it closes this, and nothing else
    close();
  });
  (bad ? alerts : news).append(node);
  stack();
  // the second frame is begun when the first, with these words in it, is drawn
  requestAnimationFrame(() => requestAnimationFrame(() => node.isConnected && count(each)));
  return close;
}

function count(each) {
  shown.add(each);
  ticking ??= setTimeout(tick, TICK, performance.now());
}

/** One above the other, bad news on top; by translation alone: nothing is laid out anew, on the page or among them. */
function stack() {
  let up = 0;
  for (const node of [...news.children].reverse().concat([...alerts.children].reverse())) {
    node.style.setProperty("translate", `0 ${-up}px`);
    up += node.offsetHeight + GAP;
  }
}

function take(each) {
  const within = each.node.contains(document.activeElement);
  each.node.remove();
  shown.delete(each);
  stack();
  if (within) document.getElementById("main").focus({ preventScroll: true });
}

function tick(before) {
  const now = performance.now();
  const passed = Math.min(LONGEST_TICK, now - before);
  pointed &&= region.matches(":hover");
  const held = document.hidden || pointed || region.contains(document.activeElement);
  for (const each of [...shown]) {
    each.left = held ? Math.max(each.left, AFTER) : each.left - passed;
    if (each.left <= 0) take(each);
  }
  ticking = [...shown].some(({ left }) => left < Infinity) ? setTimeout(tick, TICK, now) : null;
}

/** Says what went wrong, with what to do. */
export const complain = (error) =>
  toast(error.message, { tone: "bad", detail: [error.where && `at ${error.where}`, error.fix].filter(Boolean).join(": ") });

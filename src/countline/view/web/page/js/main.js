// The page: its bar, its views by the address, and what holds for all of them.
import { onSignInNeeded } from "./api.js";
import { camera } from "./camera.js";
import { help, signIn, signOut } from "./dialogs.js";
import { el, mark, say } from "./dom.js";
import { events } from "./events.js";
import { frames } from "./frames.js";
import { count, many, troubleOf } from "./format.js";
import { icon, iconButton } from "./icons.js";
import { bind } from "./keys.js";
import { follow, nextAttempt, reconnectNow } from "./live.js";
import { outputs } from "./outputs.js";
import { store } from "./store.js";
import { complain, toast } from "./toast.js";
import { wall } from "./wall.js";

const main = document.getElementById("main");
const VIEWS = { wall, events, outputs, camera };
const THEMES = { auto: ["auto", "Colours as the system has them"], light: ["sun", "Light"], dark: ["moon", "Dark"] };

let view = null;

/** Where the address leads: {name, argument}. */
function place() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("?")[0].split("/");
  let argument = rest.join("/");
  try {
    argument = decodeURIComponent(argument);
  } catch {
    // as it stands, then
  }
  return VIEWS[name] ? { name, argument } : { name: "wall", argument: "" };
}

function show() {
  const { name, argument } = place();
  view?.destroy();
  view = VIEWS[name](argument);
  main.replaceChildren(view.root);
  main.dataset.view = name;
  document.title = `${view.title} · countline`;
  for (const link of document.querySelectorAll("#bar nav a")) {
    mark(link, "aria-current", link.dataset.view === name || (name === "camera" && link.dataset.view === "wall") ? "page" : null);
  }
  scrollTo(0, 0);
}

function buildBar() {
  const nav = el("nav", { "aria-label": "Views" });
  const badges = {};
  for (const [name, words, image] of [["wall", "Wall", "wall"], ["events", "Events", "events"], ["outputs", "Outputs", "outputs"]]) {
    badges[name] = el("span", { class: "badge", hidden: true });
    nav.append(el("a", { href: `#/${name}`, data: { view: name } }, icon(image), el("span", { text: words }), badges[name]));
  }
  const summary = el("a", { class: "summary", href: "#/wall" });
  const dot = el("i", { class: "dot" });
  const words = el("span", { text: "connecting" });
  summary.append(dot, words);
  const theme = iconButton("auto", "Colours");
  theme.addEventListener("click", nextTheme);
  const session = iconButton("key", "Sign in", { on: { click: () => (store.session.signed_in ? signOut().catch(complain) : signIn()) } });
  document.getElementById("bar").append(
    el("a", { class: "brand", href: "#/wall", "aria-label": "countline, to the wall" }, logo(), el("span", { text: "countline" })),
    nav,
    el("span", { class: "spring" }),
    summary,
    theme,
    iconButton("help", "Keys (?)", { class: "keys-button", on: { click: help } }),
    session,
  );
  document.addEventListener("themechange", () => drawTheme(theme));
  drawTheme(theme);
  store.on("session", () => drawSession(session));
  store.on("state", (state) => drawSummary(state, summary, dot, words, badges));
}

function logo() {
  return el(
    "svg:svg",
    { viewBox: "0 0 32 32", class: "logo", "aria-hidden": "true" },
    el("svg:path", { class: "one", d: "M5 24 27 8" }),
    el("svg:path", { class: "two", d: "m14 13.4 6.6 7.8" }),
    el("svg:circle", { class: "three", cx: 11, cy: 9.8, r: 3.6 }),
  );
}

function nextTheme() {
  const choices = Object.keys(THEMES);
  const next = choices[(choices.indexOf(globalThis.countlineTheme.choice) + 1) % choices.length];
  globalThis.countlineTheme.choose(next);
  toast(THEMES[next][1]);
}

function drawTheme(button) {
  const [image, words] = THEMES[globalThis.countlineTheme.choice] ?? THEMES.auto;
  button.replaceChildren(icon(image));
  mark(button, "aria-label", `Colours: ${words.toLowerCase()}`);
  mark(button, "title", `Colours: ${words.toLowerCase()} (t)`);
}

function drawSession(button) {
  const { signed_in: signedIn } = store.session;
  button.replaceChildren(icon(signedIn ? "out" : "key"), el("span", { text: signedIn ? "Sign out" : "Sign in" }));
  button.classList.toggle("signed-in", Boolean(signedIn));
  mark(button, "aria-label", signedIn ? "Sign out" : "Sign in");
  mark(button, "title", signedIn ? "Signed in: you may change rules. Sign out" : "Sign in to change rules");
}

function drawSummary(state, link, dot, words, badges) {
  const all = state.sources.map(troubleOf);
  const bad = all.filter((t) => t < 3).length;
  const reasons = state.health?.reasons ?? [];
  const tone = all.includes(0) || state.health?.alive === false ? "bad" : bad || state.health?.ready === false ? "warn" : "good";
  mark(dot, "data-tone", tone);
  say(words, bad ? `${count(all.length - bad)} of ${count(all.length)} live` : many(all.length, "camera"));
  mark(link, "href", bad ? "#/wall?trouble" : "#/wall");
  mark(link, "title", reasons.length ? `Not ready: ${reasons.join("; ")}` : bad ? "Show those with trouble" : "All is well");
  const dead = state.outputs.reduce((n, o) => n + (o.dead ?? 0), 0);
  const away = state.outputs.filter((o) => o.connected === false).length;
  say(badges.outputs, dead ? count(dead) : away ? "!" : "");
  badges.outputs.toggleAttribute("hidden", !dead && !away);
  mark(badges.outputs, "title", dead ? many(dead, "dead letter") : away ? many(away, "output is", "outputs are") + " not connected" : null);
}

/** The banner of a lost connection: when it is tried again, and a way not to wait. */
function buildBanner() {
  const banner = document.getElementById("banner");
  const words = el("span");
  const wait = el("span", { class: "wait", "aria-hidden": "true" });
  banner.append(icon("warn"), words, wait, el("button", { type: "button", class: "button", text: "Try now", on: { click: reconnectNow } }));
  let lostAt = 0;
  const draw = () => {
    const lost = store.connection === "lost";
    document.documentElement.toggleAttribute("data-lost", lost);
    banner.toggleAttribute("hidden", !lost);
    if (!lost) return;
    say(words, `Connection lost ${lostAt ? `at ${new Date(lostAt).toLocaleTimeString("en-GB")}` : ""}: what you see is old.`);
    const left = (nextAttempt() - Date.now()) / 1000;
    say(wait, left > 0.5 ? `Trying again in ${Math.ceil(left)} s` : "Trying again");
  };
  let timer = null;
  store.on("connection", () => {
    clearInterval(timer);
    if (store.connection === "lost") {
      lostAt = Date.now();
      timer = setInterval(draw, 500);
    } else {
      if (lostAt) toast("Connected again. All is up to date.", { tone: "good" });
      lostAt = 0;
      frames.hurry();
    }
    draw();
  });
  store.on("retry", draw);
}

/** What the stream told of while this page was changing the configuration itself: whose it was is known when that has ended. */
const untold = [];

function told(config) {
  if (store.changing) untold.push(config);
  else if (!config.applied) toast("A change of the configuration was refused", { tone: "bad", detail: config.error });
  else if (!store.isOwn(config.digest)) toast("The configuration was changed", { detail: config.changes.join("; ") });
}

onSignInNeeded(signIn);
buildBar();
buildBanner();
bind("Everywhere", {
  "1": ["Wall", () => void (location.hash = "#/wall")],
  "2": ["Events", () => void (location.hash = "#/events")],
  "3": ["Outputs", () => void (location.hash = "#/outputs")],
  "t": ["Light or dark", nextTheme],
  "?": ["This sheet", help],
});
store.on("config", told);
store.on("settled", () => untold.splice(0).forEach(told));
store.on("missed", ({ missed }) => missed && toast(`${many(missed, "event")} happened that were not kept for this page`));
addEventListener("hashchange", () => view && show());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address belongs to the views
  main.focus();
});
// What is known stands in its place from the beginning; after a while without an answer the page is shown without it.
const begin = () => view ?? show();
store.on("state", begin);
store.on("connection", () => store.connection === "lost" && begin());
setTimeout(begin, 2000);
follow();

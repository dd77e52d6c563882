// Icons as data: 20 x 20, drawn with a line of 1.6.
import { el } from "./dom.js";

const PATHS = {
  wall: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  events: "M4 5h12M4 10h12M4 15h7",
  outputs: "M3 10h9M9 6l4 4-4 4M16 4v12",
  moon: "M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3z",
  sun: "M10 6.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M4.3 15.7l1.2-1.2M14.5 5.5l1.2-1.2",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  help: "M7.6 7.4A2.5 2.5 0 1 1 11 9.8c-.7.4-1 .8-1 1.7M10 14.4v.2M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15z",
  key: "M12.8 3a4.2 4.2 0 0 0-4 5.4L3 14.2V17h2.8v-2h2v-2h1.6l1-1a4.2 4.2 0 1 0 2.4-9zM13.8 6.3v.1",
  out: "M12 4h4v12h-4M3.5 10H12M9 7l3 3-3 3",
  back: "M12 4l-6 6 6 6",
  edit: "M4 16l.8-3.6L13 4.2l2.8 2.8-8.2 8.2zM11.4 5.8l2.8 2.8",
  why: "M9 3.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 9 3.2zM13.3 13.3 17 17M7.4 7.4a1.7 1.7 0 1 1 2.2 1.7c-.4.2-.6.4-.6 1M9 12v.1",
  close: "M5 5l10 10M15 5L5 15",
  undo: "M7 5 3.5 8.5 7 12M3.8 8.5H12a4.2 4.2 0 0 1 0 8.4H8",
  plus: "M10 4v12M4 10h12",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6M9 9v4M11 9v4",
  swap: "M6 4v12M6 4 3.5 6.5M6 4l2.5 2.5M14 16V4M14 16l2.5-2.5M14 16l-2.5-2.5",
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13 13l4 4",
  line: "M4 15 16 5M4 15v.1M16 5v.1",
  region: "M4.5 6.5 13 4l3 7.5-7 4.5-5-3z",
  direction: "M4 15 15 5M9 5h6v6",
  speed: "M3.5 14a6.8 6.8 0 1 1 13 0M10 13l3.4-4.6",
  queue: "M5 10h.1M10 10h.1M15 10h.1M3 5.5h14M3 14.5h14",
  "wrong-way": "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM6.5 10h7",
  journey: "M5 15a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7 12.3 13 7.6",
  check: "M4 10.5l4 4 8-9",
  minus: "M5 10h10",
  warn: "M10 3 2.5 16.5h15zM10 8.5v3.6M10 14.4v.1",
  arrow: "M10 16V4M5 9l5-5 5 5",
  link: "M8 5H4.5v10.5H15V12M11 4h5v5M16 4l-7 7",
  pause: "M7 4.5v11M13 4.5v11",
  play: "M6 4l10 6-10 6z",
  expand: "M4 8V4h4M16 8V4h-4M4 12v4h4M16 12v4h-4",
  retry: "M15.8 8A6.2 6.2 0 1 0 16 11.5M16 4v4h-4",
  camera: "M3 6h10v8H3zM13 9l4-2v6l-4-2",
};

/** An icon; decoration only, so hidden from readers of the screen. */
export function icon(name) {
  return el(
    "svg:svg",
    { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true", focusable: "false" },
    el("svg:path", { d: PATHS[name] ?? PATHS.help }),
  );
}

/** A button with an icon, and words that are shown or only told. */
export function iconButton(name, words, props = {}, shown = false) {
  const { class: more = "", ...rest } = props;
  return el(
    "button",
    { type: "button", class: `button ${shown ? "" : "bare"} ${more}`, "aria-label": shown ? null : words, title: shown ? null : words, ...rest },
    icon(name),
    shown ? el("span", { text: words }) : null,
  );
}

// Short words at the edge of the page, read out where somebody listens.
import { el } from "./dom.js";
import { iconButton } from "./icons.js";

/** Says something for a while; `tone`: good, bad or calm; `action`: [words, run]. Bad news stays until it is closed. */
export function toast(text, { tone = "calm", action = null, detail = "" } = {}) {
  const node = el(
    "div",
    { class: "toast", data: { tone } },
    el("div", { class: "said" }, el("p", { text }), detail ? el("p", { class: "detail", text: detail }) : null),
    action ? el("button", { type: "button", class: "button", text: action[0], on: { click: () => (close(), action[1]()) } }) : null,
    iconButton("close", "Close", { on: { click: () => close() } }),
  );
  const close = () => node.remove();
  document.getElementById("toasts").append(node);
  if (tone !== "bad") setTimeout(close, action ? 20000 : 6000);
  return close;
}

/** Says what went wrong, with what to do. */
export const complain = (error) =>
  toast(error.message, { tone: "bad", detail: [error.where && `at ${error.where}`, error.fix].filter(Boolean).join(": ") });

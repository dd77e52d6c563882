// Sign-in, and the help sheet.
import { post, refreshSession } from "./api.js";
import { el, uid } from "./dom.js";
import { iconButton } from "./icons.js";
import { shown, singleKeys } from "./keys.js";
import { store } from "./store.js";

/** A modal dialog; the browser keeps the focus within it and gives it back. Resolves when it is closed. */
export function openDialog(title, content, { wide = false } = {}) {
  const id = uid("dialog");
  const node = el(
    "dialog",
    { class: wide ? "wide" : "", "aria-labelledby": id },
    el("header", {}, el("h2", { id, text: title }), iconButton("close", "Close", { on: { click: () => node.close() } })),
    content,
  );
  const ended = new Promise((resolve) => node.addEventListener("close", () => (node.remove(), resolve(node.returnValue))));
  node.addEventListener("click", (event) => event.target === node && node.close());
  document.body.append(node);
  node.showModal();
  return { node, ended };
}

let asking = null;

/** Asks for the password; resolves to whether somebody signed in. One dialog, however many ask. */
export const signIn = () => (asking ??= askForPassword().finally(() => (asking = null)));

async function askForPassword() {
  const id = uid("password");
  const wrong = el("p", { class: "wrong", role: "alert" });
  const field = el("input", { id, type: "password", autocomplete: "current-password", required: true, autofocus: true });
  const button = el("button", { class: "button strong", text: "Sign in" });
  const form = el(
    "form",
    { method: "dialog", class: "stack" },
    el("p", { class: "muted", text: `${store.session.read_needs_sign_in ? "" : "Looking needs no password here; changing does. "}It was told once, in the log of the first start, unless the configuration has one.` }),
    el("input", { type: "text", autocomplete: "username", value: "countline", hidden: true, tabindex: "-1" }), // for password managers
    el("label", { for: id, text: "Password" }),
    field,
    wrong,
    el("div", { class: "row end" }, button),
  );
  const { node, ended } = openDialog("Sign in", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = "";
    try {
      await post("login", { password: field.value });
      await refreshSession();
      node.close("yes");
    } catch (error) {
      wrong.textContent = [error.message, error.fix].filter(Boolean).join(": ");
      field.select();
    } finally {
      button.disabled = false;
    }
  });
  return (await ended) === "yes";
}

export async function signOut() {
  await post("logout");
  await refreshSession();
}

/** Every key that works now. */
export function help() {
  const single = el("input", { type: "checkbox", checked: singleKeys.on, on: { change: () => (singleKeys.on = single.checked) } });
  const sheets = shown().map(([title, keys]) =>
    el(
      "section",
      {},
      el("h3", { text: title }),
      el("dl", { class: "keys" }, keys.map(([key, words]) => el("div", {}, el("dt", {}, keyCaps(key)), el("dd", { text: words })))),
    ),
  );
  const content = el(
    "div",
    { class: "stack" },
    el("div", { class: "sheets" }, sheets),
    el("label", { class: "switch" }, single, el("span", { text: "Keys without Ctrl or Alt" })),
  );
  openDialog("Keys", content, { wide: true });
}

const CAPS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del", " ": "Space" };
const keyCaps = (key) => (key === "+" ? [key] : key.split("+")).map((part) => el("kbd", { text: CAPS[part] ?? part }));

// Keys in one place, so that the help sheet cannot forget one.

const scopes = [];

const STORE = "countline.single-keys";
let single = true;
try {
  single = localStorage.getItem(STORE) !== "off";
} catch {
  // storage may be forbidden
}

/** Whether keys work without Ctrl or Alt. Some people's tools for speech and dictation press them by the dozen. */
export const singleKeys = {
  get on() {
    return single;
  },
  set on(value) {
    single = value;
    try {
      localStorage.setItem(STORE, value ? "on" : "off");
    } catch {
      // for this page only, then
    }
  },
};

/**
 * Adds keys: {"e": ["Edit rules", run], "Escape": [...]}. The latest scope is asked first. An action that returns false lets the key
 * go on. Returns what takes them away.
 */
export function bind(title, keys) {
  const scope = { title, keys };
  scopes.push(scope);
  return () => {
    const at = scopes.indexOf(scope);
    if (at >= 0) scopes.splice(at, 1);
  };
}

/** [title, [[key, words], ...]] of what works now. */
export const shown = () =>
  [...scopes].reverse().map(({ title, keys }) => [title, Object.entries(keys).filter(([, [words]]) => words).map(([key, [words]]) => [key, words])]);

const TYPED = "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]";

function nameOf(event) {
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && event.key.length > 1) parts.push("Shift");
  parts.push(event.key.length === 1 && parts.length ? event.key.toLowerCase() : event.key);
  return parts.join("+");
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const name = nameOf(event);
  const plain = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (plain && (!single || event.target.closest?.(TYPED))) return;
  if (name !== "Escape" && event.target.closest?.("textarea, input, select") && !event.ctrlKey) return;
  for (const { keys } of [...scopes].reverse()) {
    const found = keys[name];
    if (found && found[1](event) !== false) {
      event.preventDefault();
      return;
    }
  }
});

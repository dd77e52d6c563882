// Runs before anything is painted, so that nobody is dazzled: no module, and nothing that waits.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const wanted = () => {
    try {
      return localStorage.getItem("countline.theme") ?? "auto";
    } catch {
      return "auto"; // storage may be forbidden
    }
  };
  const apply = () => {
    const choice = wanted();
    const theme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.themeChoice = choice;
    document.querySelector("meta[name=theme-color]")?.setAttribute("content", theme === "dark" ? "#0c0f14" : "#f5f6f8");
    document.dispatchEvent(new CustomEvent("themechange"));
  };
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  globalThis.countlineTheme = {
    get choice() {
      return wanted();
    },
    choose(choice) {
      try {
        localStorage.setItem("countline.theme", choice);
      } catch {
        // for this page only, then
      }
      document.documentElement.dataset.themeChoice = choice;
      apply();
    },
  };
  apply();
})();

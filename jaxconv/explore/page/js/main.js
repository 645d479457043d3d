// The page's frame: parts as tabs, each with its own address; dark and light.

import { info, say } from "./api.js";
import { isDark, onTheme } from "./draw.js";

const PARTS = ["toy", "images", "ideas", "check"];
const KEPT = "jaxconv-theme";
const started = new Map(); // by part: a promise
const tabs = Object.fromEntries(PARTS.map((part) => [part, document.querySelector(`#tab-${part}`)]));
const facts = info();
facts.then(
  ({ version }) => (document.querySelector("#version").textContent = ` ${version}`),
  (error) => say(error.message),
);

// Tabs ----------------------------------------------------------------------------------

const named = () => location.hash.slice(1);

/** Show the part that the address names; it is built when first seen. */
function show() {
  const part = PARTS.includes(named()) ? named() : (shownPart() ?? PARTS[0]);
  for (const [name, tab] of Object.entries(tabs)) {
    tab.setAttribute("aria-selected", String(name === part));
    tab.tabIndex = name === part ? 0 : -1;
    document.querySelector(`#${name}`).hidden = name !== part;
  }
  if (!started.has(part)) started.set(part, begin(part).catch((error) => say(error.message)));
  document.dispatchEvent(new CustomEvent("part", { detail: part }));
}

const shownPart = () => (started.size ? PARTS.find((part) => tabs[part].tabIndex === 0) : undefined);

async function begin(part) {
  const module = await import(`./${part}.js`);
  module.start(document.querySelector(`#${part}`), part === "toy" ? null : await facts);
}

function go(part) {
  if (part !== named()) history.pushState(null, "", `#${part}`);
  show();
  scrollTo(0, 0);
}

for (const [at, part] of PARTS.entries()) {
  tabs[part].addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(part);
  });
  tabs[part].addEventListener("keydown", (event) => {
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
    if (next === undefined && event.key !== " ") return;
    event.preventDefault();
    const chosen = PARTS.at((next ?? at) % PARTS.length);
    go(chosen);
    tabs[chosen].focus();
  });
}
addEventListener("hashchange", show);
addEventListener("popstate", show);
show();

// Dark and light ------------------------------------------------------------------------

const root = document.documentElement;
const button = document.querySelector("#theme");
const rename = () => (button.textContent = isDark() ? "Light" : "Dark");

/** Keep a theme, where the browser keeps anything. */
function keep(theme) {
  try {
    if (theme) localStorage.setItem(KEPT, theme);
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

if (["dark", "light"].includes(keep())) root.dataset.theme = keep();
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  keep(root.dataset.theme);
});
onTheme(rename);
rename();

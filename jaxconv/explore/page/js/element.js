// Short ways to build the page's elements and to show numbers in them.

import { format } from "./draw.js";

/**
 * Build an element: `element("button.step", { type: "button", test: "step-1" }, "Step")`.
 * `test` becomes data-test, functions become listeners, `true` an empty attribute.
 */
export function element(kind, settings = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag);
  node.classList.add(...classes);
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "test") node.dataset.test = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Show a number, rounded; the number as the server gave it stays in data-value. */
export function show(node, number, text = format) {
  node.dataset.value = number;
  node.textContent = text(number);
  return node;
}

/** A place for a number: an `output` with a name for tests. */
export const place = (test, settings = {}) => element("output", { test, ...settings });

/** Let arrow keys move among `nodes`, laid out in rows of `columns()`: one tab stop. */
export function arrows(nodes, columns, choose) {
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  nodes.forEach((node, at) =>
    node.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const next = nodes[at + move[0] * columns() + move[1]];
      if (!next) return;
      choose(nodes.indexOf(next));
      next.focus();
    }),
  );
}

/** Make one of `nodes` the tab stop, and mark it chosen by `attribute`. */
export function chosen(nodes, at, attribute = "aria-checked") {
  nodes.forEach((node, index) => {
    node.tabIndex = index === at ? 0 : -1;
    node.setAttribute(attribute, String(index === at));
  });
}

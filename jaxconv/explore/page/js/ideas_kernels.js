// Filters made by hand, each with its map of the drawing; one of them can be changed.

import { post, told } from "./api.js";
import { colour, format, heatmap, largest } from "./draw.js";
import { arrows, chosen, element } from "./element.js";
import { latest } from "./latest.js";

const SIDE = 3;
const LARGEST = 1000; // of a weight that is typed

/** Build the part; `draw(pixels)` gives it a drawing. */
export function kernels({ kernels: names }, busy) {
  const state = { pixels: null, name: names[0], typed: null, due: false };
  const map = element("canvas.large", { width: 28, height: 28, role: "img", test: "kernel-map", "aria-label": "Map of the filter" });
  const title = element("figcaption");
  const range = element("p.hint");
  const editor = grid((weights) => {
    state.typed = weights;
    mark();
    refresh();
  });
  const cells = names.map((name, at) => cell(name, () => choose(at)));
  const buttons = cells.map(({ button }) => button);
  arrows(buttons, () => perRow(buttons), (at) => choose(at));
  const mark = () => chosen(buttons, state.typed ? -1 : names.indexOf(state.name));
  const choose = (at) => {
    Object.assign(state, { name: names[at], typed: null });
    mark();
    refresh();
  };
  const show = ({ kernel, map: rows }) => {
    if (!state.typed) editor.set(kernel);
    editor.paint();
    heatmap(map, rows, { signed: true });
    title.textContent = state.typed ? "your own" : state.name;
    range.textContent = `colours from ${format(-largest(rows))} to ${format(largest(rows))}`;
  };
  const refresh = latest(
    told(async () => {
      const { pixels, name, typed } = state;
      if (!pixels) return;
      show(await post("kernel", typed ? { pixels, kernel: typed } : { pixels, name }));
      if (!state.due) return;
      state.due = false;
      for (const one of cells) one.show(await post("kernel", { pixels, name: one.name }));
    }),
    busy,
  );
  mark();
  buttons[0].tabIndex = 0;
  return {
    node: element(
      "article.idea.kernels",
      {},
      element("h2", {}, "Filters that one can read"),
      element("p.text", {}, "The Laplacian and its relatives. A filter answers most where the drawing looks like it; one whose weights add up to zero is silent where nothing changes."),
      element(
        "div.chosen",
        {},
        element("figure", {}, map, title),
        element("div", {}, element("p.hint", {}, "Its nine weights: change them."), editor.node, range),
      ),
      element("div.kernel-list", { role: "radiogroup", "aria-label": "Filter" }, ...buttons),
    ),
    draw(pixels) {
      Object.assign(state, { pixels, due: true });
      refresh();
    },
  };
}

function cell(name, choose) {
  const map = element("canvas", { width: 28, height: 28, "aria-hidden": "true" });
  const filter = element("canvas.filter", { width: SIDE, height: SIDE, "aria-hidden": "true" });
  const button = element(
    "button",
    { type: "button", role: "radio", click: choose, "aria-label": name },
    map,
    element("span.under", {}, filter, element("span", {}, name)),
  );
  return {
    name,
    button,
    show({ kernel, map: rows }) {
      heatmap(map, rows, { signed: true });
      heatmap(filter, kernel, { signed: true });
    },
  };
}

/** Nine numbers that can be typed; `onType(rows)` is told when all are numbers. */
function grid(onType) {
  const inputs = Array.from({ length: SIDE * SIDE }, (_, at) =>
    element("input", {
      type: "number", step: "any", test: `kernel-${at}`, input: () => read(),
      "aria-label": `weight, row ${Math.floor(at / SIDE)}, column ${at % SIDE}`,
    }),
  );
  const read = () => {
    const numbers = inputs.map((input) => (input.value.trim() === "" ? NaN : Number(input.value)));
    const right = numbers.map((number) => Math.abs(number) <= LARGEST);
    inputs.forEach((input, at) => input.setAttribute("aria-invalid", String(!right[at])));
    if (right.every(Boolean)) onType(inRows(numbers));
  };
  return {
    node: element("div.weights", {}, ...inputs),
    set: (rows) => rows.flat().forEach((weight, at) => (inputs[at].value = weight)),
    paint() {
      const scale = largest(inputs.map((input) => Number(input.value))) || 1;
      inputs.forEach((input) => {
        const { background, text } = colour(Number(input.value), scale);
        Object.assign(input.style, { backgroundColor: background, color: text });
      });
    },
  };
}

const inRows = (numbers) =>
  Array.from({ length: SIDE }, (_, row) => numbers.slice(row * SIDE, (row + 1) * SIDE));

/** Return how many buttons stand in the first row. */
function perRow(buttons) {
  const second = buttons.findIndex((button) => button.offsetTop !== buttons[0].offsetTop);
  return second < 0 ? buttons.length : second;
}

// The band of products. Each operand comes in on one side and its result leaves on the
// other: g and the output by rows, the input and its gradient by columns, the filter and
// its gradient by diagonals.
//
// Places are in cells: (0, 0) is the product of output 0 with the first padded input. The
// filter stands where output -1 would read it, its gradient where the output after the
// last would: so diagonals run from one to the other, whatever the stride.

import { format } from "./draw.js";
import { arrows, element } from "./element.js";
import { factors, variable } from "./toy_terms.js";

const SVG = "http://www.w3.org/2000/svg";
const ABOVE = 2; // lines above the band: the input, the filter

/** Build the band; `onPoint(active, at)` and `onNumber(operand, at, text)` are told. */
export function band({ onPoint, onNumber }) {
  const node = element("div.band", { role: "group", "aria-label": "Rows, columns, diagonals" });
  let drawn = null; // for which settings
  let parts;
  listen(node, onPoint);
  return {
    node: element("div.band-scroll", {}, node),
    show(found, state) {
      const key = JSON.stringify(found.settings);
      if (key !== drawn) parts = build(node, found, { onPoint, onNumber });
      drawn = key;
      fill(parts, found);
      mark(parts, found, state);
    },
  };
}

function listen(node, onPoint) {
  const point = (event) => {
    const target = event.target.closest("[data-active]");
    if (!target || !node.contains(target)) return;
    const { active, row, column, tap } = target.dataset;
    const at = Object.fromEntries(
      Object.entries({ row, column, tap })
        .filter(([, place]) => place !== undefined)
        .map(([name, place]) => [name, Number(place)]),
    );
    const key = active + JSON.stringify(at);
    if (event.type === "pointermove" && key === node.dataset.under) return;
    node.dataset.under = key;
    onPoint(active, at);
  };
  for (const kind of ["pointermove", "pointerdown", "focusin"]) node.addEventListener(kind, point);
  node.addEventListener("pointerleave", () => delete node.dataset.under);
}

// Building ----------------------------------------------------------------------------

/** Build all cells for the settings, and return them. */
function build(node, found, on) {
  const place = layout(found.settings, found.output.length);
  const { size, padding: [low, high], stride, dilation } = found.settings;
  const rows = found.output.length;
  const span = (count, make) => Array.from({ length: count }, (_, at) => make(at));
  const zeros = [...span(low, (at) => at - low), ...span(high, (at) => size + at)];
  const parts = {
    place,
    ribbons: ribbons(place),
    zeros: zeros.map((column) => place.put(element("span.chip.zero", {}, "0"), -2, column + low)),
    x: span(size, (at) => place.put(number("x", at, "column", on), -2, at + low)),
    w: span(found.w.length, (at) => place.put(number("w", at, "tap", on), -1, at * dilation - stride)),
    g: span(rows, (at) => place.put(number("g", at, "row", on), at, -1)),
    cells: found.products.map((one) => place.put(cell(one), one.row, one.column + low)),
    output: span(rows, (at) => place.put(result("output", at), at, place.right)),
    inputGrad: span(size, (at) => place.put(result("inputGrad", at), rows + 1, at + low)),
    paramGrad: span(rows && found.w.length, (at) =>
      place.put(result("paramGrad", at), rows, rows * stride + at * dilation),
    ),
  };
  for (const name of ["output", "inputGrad", "paramGrad"])
    arrows(parts[name], () => 1, (at) => parts[name][at].focus());
  node.style.setProperty("--columns", place.columns);
  node.style.setProperty("--lines", place.lines);
  const none = rows ? [] : [nothing()];
  node.replaceChildren(
    parts.ribbons.node, ...none, ...parts.x, ...parts.zeros, ...parts.w, ...parts.g, ...parts.cells,
    ...parts.output, ...parts.paramGrad, ...parts.inputGrad,
  );
  return parts;
}

/** Return where things stand: `put(node, line, column)` puts them there. */
function layout({ size, taps, stride, padding: [low, high], dilation }, rows) {
  const right = size + low + high; // the column of the outputs
  const left = Math.max(1, stride);
  const last = Math.max(right, rows ? rows * stride + (taps - 1) * dilation : (taps - 1) * dilation);
  return {
    right, left, low,
    columns: left + last + 1,
    lines: ABOVE + rows + 2,
    put(node, line, column) {
      node.style.gridRow = String(line + ABOVE + 1);
      node.style.gridColumn = String(column + left + 1);
      return node;
    },
    /** The middle of a cell, for the ribbons. */
    middle: (line, column) => [column + left + 0.5, line + ABOVE + 0.5],
  };
}

const KINDS = {
  x: ["column", "number"], w: ["diagonal", "weight"], g: ["row", "gradient at output"],
  output: ["row", "output"], inputGrad: ["column", "gradient at number"],
  paramGrad: ["diagonal", "gradient at weight"],
};
const TESTS = { output: "output", inputGrad: "input-grad", paramGrad: "param-grad" };
const LETTERS = { output: ["o"], inputGrad: ["x", "\u2202"], paramGrad: ["w", "\u2202"] };

/** A number that can be typed: of the input, the filter, or the output's gradient. */
function number(operand, at, axis, { onNumber }) {
  const [active, name] = KINDS[operand];
  const input = element("input", {
    type: "number", step: "any", test: `${operand}-${at}`, "aria-label": `${name} ${operand}${at}`,
    autocomplete: "off",
    input: () => input.setAttribute("aria-invalid", String(!onNumber(operand, at, input.value))),
    blur: () => {
      input.value = input.dataset.value;
      input.setAttribute("aria-invalid", "false");
    },
  });
  const node = element(`label.chip.given.${active}`, {}, variable(operand, at), input);
  node.dataset.active = active;
  node.dataset[axis] = at;
  return node;
}

/** A number that is computed, as a button: it can be pointed at by keys. */
function result(name, at) {
  const [active] = KINDS[name];
  const [letter, before = ""] = LETTERS[name];
  const node = element(
    `button.chip.result.${active}`,
    { type: "button", test: `${TESTS[name]}-${at}` },
    variable(letter, at, before),
    element("span.value"),
  );
  node.dataset.active = active;
  node.dataset[{ row: "row", column: "column", diagonal: "tap" }[active]] = at;
  return node;
}

function cell({ row, column, tap }) {
  const node = element("span.cell", {}, variable("w", tap), element("span.value"));
  Object.assign(node.dataset, { active: "cell", row, column, tap });
  return node;
}

const nothing = () =>
  element("p.nothing", {}, "The filter spans more numbers than there are. Pad more, or shorten it.");

/** Three broad lines behind the cells: the row, the column and the diagonal in question. */
function ribbons(place) {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("viewBox", `0 0 ${place.columns} ${place.lines}`);
  node.setAttribute("aria-hidden", "true");
  node.setAttribute("class", "ribbons");
  const lines = {};
  for (const kind of ["row", "column", "diagonal"]) {
    lines[kind] = document.createElementNS(SVG, "line");
    lines[kind].setAttribute("class", kind);
    node.append(lines[kind]);
  }
  return { node, lines };
}

// Showing -----------------------------------------------------------------------------

function fill(parts, found) {
  for (const operand of ["x", "w", "g"])
    parts[operand].forEach((label, at) => {
      const input = label.querySelector("input");
      input.dataset.value = found[operand][at];
      if (input !== document.activeElement) input.value = found[operand][at];
    });
  for (const name of ["output", "inputGrad", "paramGrad"])
    parts[name].forEach((button, at) => {
      const value = found[name][at];
      button.dataset.value = value;
      button.lastChild.textContent = format(value, 4);
      button.setAttribute("aria-label", `${KINDS[name][1]} ${LETTERS[name][0]}${at}: ${format(value, 4)}`);
    });
}

/** Colour the row, the column or the diagonal that is pointed at, or all three. */
function mark(parts, found, { active, at }) {
  const all = active === "cell";
  const chosenOnes = {
    row: all || active === "row", column: all || active === "column",
    diagonal: all || active === "diagonal",
  };
  found.products.forEach((one, index) => {
    const node = parts.cells[index];
    const kinds = [
      chosenOnes.row && one.row === at.row && "row",
      chosenOnes.column && one.column === at.column && "column",
      chosenOnes.diagonal && one.tap === at.tap && "diagonal",
    ].filter(Boolean);
    node.dataset.lit = kinds.length === 1 ? kinds[0] : kinds.length ? "cross" : "";
    const [a, b] = factors(kinds[0], one, found);
    node.lastChild.textContent = kinds.length === 1 ? format(a * b) : "";
  });
  lightOperands(parts, found, active, at);
  press(parts.output, at.row, chosenOnes.row);
  press(parts.inputGrad, at.column, chosenOnes.column);
  press(parts.paramGrad, at.tap, chosenOnes.diagonal);
  stretch(parts, found, chosenOnes, at);
}

/** Make one of the results the tab stop; it is pressed if its direction is shown. */
function press(nodes, at, on) {
  const stop = Math.max(0, Math.min(at, nodes.length - 1));
  nodes.forEach((node, index) => {
    node.tabIndex = index === stop ? 0 : -1;
    node.setAttribute("aria-pressed", String(on && index === at));
  });
}

/** Light the result in question, and the numbers from which it is computed. */
function lightOperands(parts, found, active, at) {
  const lit = (nodes, test) => nodes.forEach((node, index) => (node.dataset.lit = String(test(index))));
  const used = found.products.filter(
    (one) =>
      ({ row: one.row === at.row, column: one.column === at.column, diagonal: one.tap === at.tap })[
        active
      ] ?? (one.row === at.row && one.column === at.column && one.tap === at.tap),
  );
  const has = (name, index) => used.some((one) => one[name] === index);
  lit(parts.x, (index) => (active === "column" ? index === at.column : has("column", index)));
  lit(parts.w, (index) => (active === "diagonal" ? index === at.tap : has("tap", index)));
  lit(parts.g, (index) => active !== "row" && has("row", index));
  lit(parts.output, (index) => (active === "row" || active === "cell") && index === at.row);
  lit(parts.inputGrad, (index) => (active === "column" || active === "cell") && index === at.column);
  lit(parts.paramGrad, (index) => (active === "diagonal" || active === "cell") && index === at.tap);
}

function stretch({ ribbons: { lines }, place }, { settings, output: rows }, on, at) {
  const { stride, dilation } = settings;
  const count = rows.length;
  const inside = at.column >= 0 && at.column < settings.size;
  const ends = {
    row: count > 0 && [[at.row, -1], [at.row, place.right]],
    column: inside && [[-2, at.column + place.low], [count + 1, at.column + place.low]],
    diagonal: count > 0 && [
      [-1, at.tap * dilation - stride],
      [count, count * stride + at.tap * dilation],
    ],
  };
  for (const [kind, line] of Object.entries(lines)) {
    line.style.opacity = on[kind] && ends[kind] ? "" : "0";
    if (!ends[kind]) continue;
    const [[x1, y1], [x2, y2]] = ends[kind].map((end) => place.middle(...end));
    Object.entries({ x1, y1, x2, y2 }).forEach(([name, value]) => line.setAttribute(name, value));
  }
}

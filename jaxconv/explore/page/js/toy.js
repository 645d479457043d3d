// The section "One filter, five numbers": what the user chose, and what follows from it.

import { element } from "./element.js";
import { agreement } from "./toy_agreement.js";
import { band } from "./toy_band.js";
import { controls } from "./toy_controls.js";
import { formulas } from "./toy_formulas.js";
import { inputGrad, output, outputs, paramGrad, products } from "./toy_maths.js";

const SIZE = 5;
const MOST = { taps: 5, padding: 3 };
const MOST_OUTPUTS = SIZE + 2 * MOST.padding;
const LARGEST = 1e6; // of a number that is typed

/** Return the chapter's example, with a product at which all three directions cross. */
const chapter = () => ({
  x: [1, 2, 3, 4, 5],
  w: new Array(MOST.taps).fill(1),
  g: new Array(MOST_OUTPUTS).fill(1),
  slide: { taps: 3, stride: 1, padding: 1, dilation: 1 },
  at: { row: 2, column: 2, tap: 1 },
  active: "cell",
});

/** Build the section inside `root`. */
export function start(root) {
  const state = chapter();
  let shown;
  const update = () => {
    shown = solve(state);
    keepInside(state.at, shown);
    parts.controls.show(state.slide);
    point();
    parts.agreement.ask(shown);
  };
  const point = () => {
    parts.band.show(shown, state);
    parts.formulas.show(shown, state);
  };
  const on = {
    onPoint(active, at) {
      tour.stop();
      choose(active, at);
    },
    onNumber(operand, at, text) {
      const number = text.trim() === "" ? NaN : Number(text);
      if (!(Math.abs(number) <= LARGEST)) return false;
      state[operand][at] = number;
      update();
      return true;
    },
    onSlide(name, value) {
      tour.stop();
      state.slide[name] = value;
      update();
    },
    onPreset(values) {
      tour.stop();
      Object.assign(state, chapter(), { at: state.at, active: state.active });
      Object.entries(values.operands ?? {}).forEach(([name, numbers]) =>
        numbers.forEach((number, at) => (state[name][at] = number)),
      );
      Object.assign(state.slide, values.slide);
      update();
    },
    onPlay: () => tour.toggle(),
  };
  const choose = (active, at) => {
    Object.assign(state.at, at);
    state.active = active;
    point();
  };
  const parts = {
    band: band(on),
    controls: controls(MOST, on),
    formulas: formulas(on),
    agreement: agreement(),
  };
  const tour = touring(() => stations(shown), choose, parts.controls.playing);
  root.append(
    element(
      "div.workbench",
      {},
      element("div.loom", {}, parts.band.node, legend(), parts.agreement.node),
      parts.formulas.node,
      parts.controls.node,
    ),
  );
  update();
}

/** Say what the letters mean. */
function legend() {
  const letter = (kind, text) => element(`span.variable.${kind}`, {}, element("i", {}, text));
  return element(
    "p.legend",
    {},
    letter("column", "x"), " input, ", letter("diagonal", "w"), " filter, ", letter("row", "o"), " output, ",
    letter("row", "g"), " the loss\u2019s gradient at the output; ", element("i", {}, "\u2202"),
    " the loss\u2019s gradient at a number. What is outlined can be changed.",
  );
}

/** Compute all that the section shows. */
function solve({ x, w: weights, g: gradients, slide }) {
  const { taps, stride, padding, dilation } = slide;
  const settings = { size: SIZE, taps, stride, padding: [padding, padding], dilation };
  const w = weights.slice(0, taps);
  const g = gradients.slice(0, outputs(settings));
  return {
    settings, x, w, g,
    products: products(settings),
    output: output(x, w, settings),
    inputGrad: inputGrad(g, w, settings),
    paramGrad: paramGrad(x, g, settings),
  };
}

/** Let what is pointed at be there. */
function keepInside(at, { output: rows, x, w }) {
  at.row = Math.max(0, Math.min(at.row, rows.length - 1));
  at.column = Math.max(0, Math.min(at.column, x.length - 1));
  at.tap = Math.min(at.tap, w.length - 1);
}

// A tour of all rows, columns and diagonals -------------------------------------------

const PAUSE = 900; // milliseconds at each

const stations = ({ output: rows, x, w }) => [
  ...rows.map((_, row) => ["row", { row }]),
  ...x.map((_, column) => ["column", { column }]),
  ...w.map((_, tap) => ["diagonal", { tap }]),
];

function touring(list, choose, playing) {
  let timer = null;
  let next = 0;
  const stop = () => {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    playing(false);
  };
  const step = () => {
    const all = list();
    if (next >= all.length) return stop();
    return choose(...all[next++]);
  };
  return {
    stop,
    toggle() {
      if (timer !== null) return stop();
      next = 0;
      timer = setInterval(step, PAUSE);
      playing(true);
      return step();
    },
  };
}

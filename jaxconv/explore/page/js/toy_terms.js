// How the letters and the factors of one product are written, in the band and beside it.

import { element } from "./element.js";

const KINDS = { x: "column", w: "diagonal", o: "row", g: "row" };

/** Return a letter with its index, in the colour of its operand. */
export const variable = (letter, at, before = "") =>
  element(`span.variable.${KINDS[letter]}`, {}, before, element("i", {}, letter), element("sub", {}, String(at)));

/** Return a letter of the input, or the zero of the padding. */
export const inputOf = (column, size) =>
  column >= 0 && column < size ? variable("x", column) : element("span.variable.padding", {}, "0");

/** Return the two factors of a product that a direction adds up. */
export function factors(active, { row, column, tap }, { x, w, g }) {
  const padded = x[column] ?? 0;
  if (active === "column") return [g[row], w[tap]];
  if (active === "diagonal") return [padded, g[row]];
  return [padded, w[tap]];
}

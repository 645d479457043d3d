// Numbers that stand together are written alike.

import { format } from "./draw.js";

const MINUS = "\u2212";

/** Return how to write numbers of which `most` is the largest: as many decimals each. */
export function alike(most) {
  if (most >= 1000 || (most < 0.001 && most > 0)) return (value) => format(value, 2);
  const decimals = most < 0.01 ? 4 : most < 1 ? 3 : most < 10 ? 2 : most < 100 ? 1 : 0;
  return (value) => fixed(value, decimals);
}

/** Return a number with so many decimals, and zero without a sign. */
export function fixed(value, decimals) {
  if (value === null || !Number.isFinite(value)) return format(value);
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
}

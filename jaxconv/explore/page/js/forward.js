// The forward pass under a lens: one output of one map, and the row that it reads.

import { largest } from "./draw.js";
import { element, place, show } from "./element.js";
import { picture } from "./picture.js";
import { taps } from "./taps.js";

/** Build the lens; `onPoint(row, column)` is told which output of the map is meant. */
export function forwardLens(kernel, onPoint) {
  const map = picture("Feature map", { onPoint, test: "map-large", kind: "row" });
  const title = element("span");
  const where = element("p.where", { "aria-live": "polite" });
  const patch = taps(kernel, "patch, scaled");
  const filter = taps(kernel, "filter");
  const products = taps(kernel, "products");
  const sum = place("sum");
  const value = place("value");
  const after = (sign, table) =>
    element("div.after", {}, element("span.sign", { "aria-hidden": "true" }, sign), table.node);
  const node = element(
    "article.lens.row",
    {},
    element("h2", {}, "A row: what one output reads"),
    where,
    element(
      "div.equation",
      {},
      element("figure", {}, map.node, element("figcaption", {}, title)),
      patch.node,
      after("⊙", filter),
      after("=", products),
      element(
        "dl.sums",
        {},
        ...term("their sum", sum, "result"),
        ...term("after tanh", value),
      ),
    ),
  );
  return {
    node,
    map,
    showMap(rows, at) {
      title.textContent = `map ${at}: point at an output`;
      map.label(`Feature map ${at}`);
      map.show(rows, { signed: true, scale: 1 });
    },
    show(answer, at, [row, column], pixelScale) {
      const { top, left } = answer;
      where.textContent =
        `Output (${row}, ${column}) of map ${at} reads rows ${top} to ${top + kernel - 1}, ` +
        `columns ${left} to ${left + kernel - 1}${hangs(answer, kernel) ? ", in part padding" : ""}.`;
      patch.show(answer.patch, pixelScale);
      filter.show(answer.filter, largest(answer.filter));
      products.show(answer.products, largest(answer.products));
      show(sum, answer.sum);
      show(value, answer.value);
    },
  };
}

const hangs = ({ top, left }, kernel) =>
  Math.min(top, left) < 0 || Math.max(top, left) + kernel > 28;

/** Return the two elements of one term of a list of results. */
export const term = (name, value, kind) => [
  element("dt", {}, name),
  element(kind ? `dd.${kind}` : "dd", {}, value),
];

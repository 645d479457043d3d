// Weights against neurons: what a convolution shares, and a dense layer does not.

import { element } from "./element.js";

const count = (number) => number.toLocaleString("en");

/** Build the part from the layers that the server described; the last is their sum. */
export function counts(layers) {
  const most = Math.max(...layers.slice(0, -1).flatMap(({ weights, neurons }) => [weights, neurons]));
  const rows = layers.map((layer, at) => line(layer, most, at === layers.length - 1));
  const heads = ["layer", "its output", "weights", "neurons", "products"];
  return element(
    "article.idea.counts",
    {},
    element("h2", {}, "Few weights, many neurons"),
    element("p.text", {}, "A filter is used at every place of the image: the convolution has far more neurons than weights. In the dense layer each weight is used once."),
    element(
      "div.scroll",
      {},
      element(
        "table",
        { test: "layers" },
        element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, ...rows),
      ),
    ),
  );
}

function line({ name, shape, weights, neurons, multiply_adds: products }, most, isTotal) {
  return element(
    isTotal ? "tr.total" : "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", {}, isTotal ? "" : shape.map(count).join(" \u00d7 ")),
    bar(weights, most, "diagonal", isTotal),
    bar(neurons, most, "row", isTotal),
    element("td", {}, count(products)),
  );
}

/** A number over a bar as long as its share of the largest. */
function bar(number, most, kind, isTotal) {
  const mark = element(`span.bar.${kind}`, { "aria-hidden": "true" });
  mark.style.width = `${number ? Math.max(1, (100 * number) / most) : 0}%`;
  return element("td.barred", {}, count(number), isTotal ? null : mark);
}

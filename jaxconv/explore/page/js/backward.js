// The backward pass under two lenses: a pixel's column, and a weight's diagonal.

import { format, largest } from "./draw.js";
import { element, place, show } from "./element.js";
import { signedBars } from "./classes.js";
import { term } from "./forward.js";
import { picture } from "./picture.js";
import { tapButtons } from "./taps.js";

/** Build the lens on one pixel of the image; `onMap(map)` chooses a map. */
export function columnLens(count, kernel, onMap) {
  const where = element("p.where", { "aria-live": "polite" });
  const value = place("pixel-value");
  const bars = signedBars(count, "What each map gives back to the pixel", onMap);
  const map = picture("Gradient of the map", { kind: "column" });
  const title = element("figcaption");
  const body = element("tbody");
  const heads = ["map", "output", "weight", "", "gradient", "", "gives back"];
  const node = element(
    "article.lens.column",
    {},
    element("h2", {}, "A column: who read one pixel"),
    where,
    element("dl.sums", {}, ...term("gradient at the pixel", value, "result")),
    bars.node,
    element("p.scale", {}, `What each of the ${count} maps gives back: together, that gradient`),
    element(
      "div.beside",
      {},
      element("figure", {}, map.node, title),
      element(
        "table.reads",
        {},
        element("caption", {}, "The twelve largest"),
        element(
          "thead",
          {},
          element("tr", {}, ...heads.map((head) => element(head ? "th" : "td", {}, head))),
        ),
        body,
      ),
    ),
  );
  return {
    node,
    showMap(rows, at, scale, [row, column]) {
      title.textContent = `map ${at}: the outputs that read it`;
      map.show(rows, { signed: true, scale });
      const before = (kernel - 1) / 2;
      map.window(row - before, column - before, kernel, kernel);
    },
    show(answer, marked, [row, column]) {
      where.textContent = `${answer.count} outputs read pixel (${row}, ${column}).`;
      show(value, answer.value);
      bars.show(answer.by_map, marked);
      body.replaceChildren(...answer.reads.map((read) => readRow(read, marked, onMap)));
    },
  };
}

function readRow(read, marked, onMap) {
  const choose = element(
    "button.link",
    { type: "button", "aria-label": `Map ${read.map}`, click: () => onMap(read.map) },
    String(read.map),
  );
  const cells = [
    choose,
    `(${read.row}, ${read.column})`,
    format(read.weight),
    "×",
    format(read.grad),
    "=",
    format(read.product),
  ];
  return element(
    read.map === marked ? "tr.marked" : "tr",
    {},
    ...cells.map((cell) => element("td", {}, cell)),
  );
}

/** Build the lens on one weight; `onTap(row, column)` is told which tap is meant. */
export function diagonalLens(kernel, onTap) {
  const where = element("p.where", { "aria-live": "polite" });
  const value = place("weight-value");
  const weights = tapButtons(kernel, "Weight of the filter", onTap);
  const heat = picture("Where the weight collected its gradient", {
    test: "heat",
    kind: "diagonal",
  });
  const caption = element("figcaption");
  const node = element(
    "article.lens.diagonal",
    {},
    element("h2", {}, "A diagonal: where a weight collected its gradient"),
    where,
    element("dl.sums", {}, ...term("gradient at the weight", value, "result")),
    element(
      "div.beside",
      {},
      element("figure", {}, weights.node, caption),
      element(
        "figure.large",
        {},
        heat.node,
        element("figcaption", {}, "each pixel × the gradient at the output that read it: together, the weight’s gradient"),
      ),
    ),
  );
  return {
    node,
    choose: weights.choose,
    showFilter(gradients, at) {
      caption.textContent = `gradient of filter ${at}: point at a weight`;
      weights.show(gradients, largest(gradients));
    },
    show(answer, at, [row, column]) {
      where.textContent =
        `Weight (${row}, ${column}) of filter ${at} carried one pixel into each of the 784 outputs of map ${at}.`;
      show(value, answer.value);
      heat.show(answer.heat, { signed: true, scale: largest(answer.heat) || 1 });
      heat.node.dataset.values = JSON.stringify(answer.heat);
    },
  };
}

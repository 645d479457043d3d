// The gallery: every filter with its feature map, one of them chosen.

import { heatmap } from "./draw.js";
import { arrows, chosen, element } from "./element.js";

/** Build a gallery of `count` maps; `onChoose(map)` is told which one is chosen. */
export function gallery(count, onChoose) {
  const cells = Array.from({ length: count }, (_, at) => cell(at));
  const buttons = cells.map(({ button }) => button);
  const node = element("div.gallery", { role: "radiogroup", "aria-label": "Feature map" }, ...buttons);
  const choose = (at) => {
    chosen(buttons, at);
    onChoose(at);
  };
  buttons.forEach((button, at) => button.addEventListener("click", () => choose(at)));
  arrows(buttons, () => perRow(buttons), choose);
  chosen(buttons, 0);
  return {
    node,
    choose,
    mark: (at) => chosen(buttons, at),
    /** Paint maps on one scale of colours, and each filter on its own. */
    show(maps, filters, scale) {
      cells.forEach(({ map, filter }, at) => {
        heatmap(map, maps[at], { signed: true, scale });
        heatmap(filter, filters[at], { signed: true });
      });
    },
    /** Frame size x size outputs around a pixel: in the chosen map, as a column in all. */
    frame(kind, [row, column], size) {
      const percent = (pixels) => `${(100 * pixels) / 28}%`;
      const before = (size - 1) / 2;
      node.dataset.frame = kind;
      node.style.setProperty("--top", percent(row - before));
      node.style.setProperty("--left", percent(column - before));
      node.style.setProperty("--size", percent(size));
    },
  };
}

function cell(at) {
  const map = element("canvas.map", { width: 28, height: 28, "aria-hidden": "true" });
  const filter = element("canvas.filter", { width: 5, height: 5, "aria-hidden": "true" });
  const button = element(
    "button.cell",
    { type: "button", role: "radio", test: `map-${at}`, "aria-label": `Map ${at}` },
    element("span.over", {}, map),
    element("span.under", {}, filter, element("span.index", {}, String(at))),
  );
  return { button, map, filter };
}

/** Return how many cells stand in the first row, as they are laid out now. */
function perRow(buttons) {
  const top = buttons[0].offsetTop;
  const second = buttons.findIndex((button) => button.offsetTop !== top);
  return second < 0 ? buttons.length : second;
}

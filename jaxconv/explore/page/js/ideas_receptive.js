// How far an output sees: its field in the map before it, and in the image.

import { post, told } from "./api.js";
import { format } from "./draw.js";
import { element } from "./element.js";
import { latest } from "./latest.js";
import { plane } from "./plane.js";

const FULL = 255;
const SLIDERS = [
  ["kernels", 0, "Filter of layer 1", 1, 7], ["strides", 0, "Stride of layer 1", 1, 3],
  ["kernels", 1, "Filter of layer 2", 1, 7], ["strides", 1, "Stride of layer 2", 1, 3],
];

/** Build the part; `draw(pixels)` gives it a drawing. */
export function fields(busy) {
  const state = { kernels: [5, 3], strides: [1, 2], at: [5, 6], size: 14 };
  const image = plane("Image, with the pixels that the output sees", 28, { kind: "column" });
  const first = plane("Map of layer 1, with the outputs that it reads", 28, { kind: "diagonal" });
  const second = plane("Map of layer 2: point at an output", 14, {
    test: "receptive-output",
    onPoint(row, column) {
      state.at = [row, column];
      refresh();
    },
  });
  const captions = [image, first, second].map(() => element("figcaption"));
  const said = element("p.said", { "aria-live": "polite", test: "receptive" });
  const refresh = latest(
    told(async () => {
      const { kernels, strides } = state;
      const size = strides.reduce((left, stride) => Math.ceil(left / stride), 28);
      state.at = state.at.map((at) => Math.min(at, size - 1));
      const [row, column] = state.at;
      const { layers: [before, start], output } = await post("receptive", { kernels, strides, row, column });
      second.resize(output);
      second.at = [row, column];
      second.frame(row, column, 1, 1);
      first.resize(before.size);
      frame(first, before);
      frame(image, start);
      const sides = [...start.rows, ...start.columns];
      const hangs = Math.min(...sides) < 0 || Math.max(...sides) >= start.size;
      const [seen, between] = [start, before].map(({ rows: [from, to] }) => to - from + 1);
      captions[0].textContent = `image, ${start.size} \u00d7 ${start.size}`;
      captions[1].textContent = `layer 1, ${before.size} \u00d7 ${before.size}`;
      captions[2].textContent = `layer 2, ${output} \u00d7 ${output}: point here`;
      said.textContent =
        `Output (${row}, ${column}) reads ${between} \u00d7 ${between} outputs of layer 1, and ` +
        `through them ${seen} \u00d7 ${seen} pixels: rows ${span(start.rows)}, columns ` +
        `${span(start.columns)}${hangs ? ", in part padding" : ""}. ` +
        `Its neighbour\u2019s lie ${start.stride} further.`;
    }),
    busy,
  );
  const sliders = SLIDERS.map((one) => slider(state, one, refresh));
  const figure = (at, { node }) => element("figure", {}, node, captions[at]);
  return {
    node: element(
      "article.idea.fields",
      {},
      element("h2", {}, "How far an output sees"),
      element("p.text", {}, "Two convolutions, one after the other. What an output of the second depends on grows with both filters, and with the first stride."),
      element("div.sliders", {}, ...sliders),
      element("div.planes", {}, figure(0, image), figure(1, first), figure(2, second)),
      said,
    ),
    draw(pixels) {
      image.show(pixels, { signed: false, scale: FULL });
      refresh();
    },
  };
}

const span = ([from, to]) => `${format(from)} to ${format(to)}`;

const frame = (view, { rows: [top, bottom], columns: [left, right] }) =>
  view.frame(top, left, bottom - top + 1, right - left + 1);

function slider(state, [name, at, title, low, high], onChange) {
  const id = `receptive-${name}-${at}`;
  const value = element("output", { for: id }, String(state[name][at]));
  const input = element("input", {
    type: "range", id, test: id, min: low, max: high, step: 1, value: state[name][at],
    input() {
      state[name][at] = Number(input.value);
      value.textContent = input.value;
      onChange();
    },
  });
  return element("div.slider", {}, element("label", { for: id }, title), value, input);
}

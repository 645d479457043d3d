// Half the size: the largest of four pixels, their mean, or one of them.

import { post, told } from "./api.js";
import { format } from "./draw.js";
import { element, show } from "./element.js";
import { latest } from "./latest.js";
import { plane } from "./plane.js";

const [WHOLE, HALF, FULL] = [28, 14, 255];
const WAYS = {
  max_pool: ["max pooling", "the largest of the four"],
  average_pool: ["average pooling", "their mean"],
  stride: ["stride 2", "the first: the others are not read"],
};

/** Build the part; `draw(pixels)` gives it a drawing. */
export function halves(busy) {
  const state = { pixels: null, answer: null, at: [4, 6] };
  const point = (row, column) => {
    state.at = [row, column];
    paint();
  };
  const whole = plane("Drawing: point at four pixels", WHOLE, {
    kind: "column", test: "halves-drawing",
    onPoint: (row, column) => point(Math.floor(row / 2), Math.floor(column / 2)),
  });
  const four = Array.from({ length: 4 }, () => element("span"));
  const ways = Object.entries(WAYS).map(([name, [title, hint]]) => way(name, title, hint, point));
  const paint = () => {
    const { pixels, answer, at: [row, column] } = state;
    if (!answer) return;
    whole.frame(2 * row, 2 * column, 2, 2);
    [0, 1, 2, 3].forEach((at) => {
      const pixel = pixels[2 * row + Math.floor(at / 2)][2 * column + (at % 2)];
      four[at].textContent = format(pixel / FULL);
    });
    ways.forEach((one) => one.point(answer, row, column));
  };
  const refresh = latest(
    told(async () => {
      const { pixels } = state;
      const answer = await post("downsample", { pixels });
      Object.assign(state, { answer, pixels });
      whole.show(pixels, { signed: false, scale: FULL });
      ways.forEach((one) => one.show(answer));
      paint();
    }),
    busy,
  );
  return {
    node: element(
      "article.idea.halves",
      {},
      element("h2", {}, "Pooling, or a stride"),
      element("p.text", {}, "Three ways to half the size. Point at four pixels, and see what each keeps of them."),
      element(
        "div.planes",
        {},
        element("figure", {}, whole.node, element("figcaption", {}, "the drawing"), element("div.four", {}, ...four)),
        ...ways.map(({ node }) => node),
      ),
    ),
    draw(pixels) {
      state.pixels = pixels;
      refresh();
    },
  };
}

function way(name, title, hint, onPoint) {
  const view = plane(title, HALF, { test: `halves-${name}`, onPoint });
  const value = element("output", { test: `halves-${name}-value` });
  return {
    node: element("figure", {}, view.node, element("figcaption", {}, title), value, element("p.hint", {}, hint)),
    show: (answer) => view.show(answer[name], { signed: false, scale: 1 }),
    point(answer, row, column) {
      view.frame(row, column, 1, 1);
      view.at = [row, column];
      show(value, answer[name][row][column]);
    },
  };
}

// A picture of pixels with frames on it, in which one can point at a pixel.

import { heatmap } from "./draw.js";
import { element } from "./element.js";

const SIZE = 28;
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * Build a picture. With `onPoint`, pointer, touch and arrow keys choose a pixel, which is
 * framed, and `onPoint(row, column)` is told. `kind` colours the frames: row, column or
 * diagonal.
 */
export function picture(label, { onPoint, test, kind = "row" } = {}) {
  const canvas = element("canvas", { width: SIZE, height: SIZE, "aria-hidden": "true" });
  const field = element(`span.frame.window.${kind}`, { hidden: true });
  const point = element("span.frame.point", { hidden: true });
  const clip = element("span.clip", {}, field, point);
  const node = element("div.picture", { test, role: "img", "aria-label": label }, canvas, clip);
  const self = {
    node,
    canvas,
    /** Paint rows of numbers; `options` are those of `heatmap`. */
    show: (rows, options) => heatmap(canvas, rows, options),
    label: (text) => node.setAttribute("aria-label", text),
    /** Frame rows and columns from top and left, which may lie in the padding. */
    window: (top, left, rows, columns) => place(field, top, left, rows, columns),
    point: (row, column) => place(point, row, column, 1, 1),
    hideWindow: () => (field.hidden = true),
  };
  if (onPoint) pointing(self, onPoint);
  return self;
}

function place(frame, top, left, rows, columns) {
  const percent = (pixels) => `${(100 * pixels) / SIZE}%`;
  frame.hidden = false;
  frame.style.top = percent(top);
  frame.style.left = percent(left);
  frame.style.height = percent(rows);
  frame.style.width = percent(columns);
}

/** Return the pixel under a pointer, as fractions: 0.5 is the middle of the first. */
export function under(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientY - box.top) / box.height) * SIZE,
    ((event.clientX - box.left) / box.width) * SIZE,
  ];
}

export const clamp = (value) => Math.min(SIZE - 1, Math.max(0, Math.floor(value)));

/** Let a pixel be chosen; `self.at` holds it. */
function pointing(self, onPoint) {
  const { node, canvas } = self;
  node.tabIndex = 0;
  node.setAttribute("role", "application");
  node.setAttribute("aria-roledescription", "picture to point at with the arrow keys");
  node.classList.add("pointable");
  self.at = [SIZE / 2, SIZE / 2];
  const go = (row, column) => {
    const [before, left] = self.at;
    self.at = [clamp(row), clamp(column)];
    if (before === self.at[0] && left === self.at[1]) return;
    self.point(...self.at);
    onPoint(...self.at);
  };
  self.go = go;
  self.point(...self.at);
  node.addEventListener("pointerdown", (event) => {
    node.focus({ preventScroll: true });
    go(...under(event, canvas));
  });
  node.addEventListener("pointermove", (event) => go(...under(event, canvas)));
  node.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const stride = event.shiftKey ? 5 : 1;
    go(self.at[0] + stride * move[0], self.at[1] + stride * move[1]);
  });
}

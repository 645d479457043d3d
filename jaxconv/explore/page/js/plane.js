// A square of pixels of any number, with a frame on it, in which one can point.

import { heatmap } from "./draw.js";
import { element } from "./element.js";

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * Build a plane of `size` x `size` pixels. With `onPoint`, pointer, touch and arrow keys
 * choose a pixel, and `onPoint(row, column)` is told.
 */
export function plane(label, size, { onPoint, test, kind = "row" } = {}) {
  const canvas = element("canvas", { width: size, height: size, "aria-hidden": "true" });
  const frame = element(`span.frame.${kind}`, { hidden: true });
  const node = element("div.plane", { test, role: "img", "aria-label": label }, canvas, frame);
  const self = {
    node,
    at: [0, 0],
    /** Paint rows of numbers; `options` are those of `heatmap`. */
    show(rows, options) {
      self.resize(rows.length);
      heatmap(canvas, rows, options);
    },
    /** Draw the pixels' edges; the number of pixels may change. */
    resize(pixels) {
      size = pixels;
      node.style.setProperty("--size", pixels);
    },
    /** Frame rows and columns, which may lie beyond the edges. */
    frame(top, left, rows, columns) {
      frame.hidden = false;
      Object.assign(frame.style, {
        top: percent(top), left: percent(left), height: percent(rows), width: percent(columns),
      });
    },
    label: (text) => node.setAttribute("aria-label", text),
  };
  const percent = (pixels) => `${(100 * pixels) / size}%`;
  if (onPoint) pointing(self, () => size, onPoint);
  return self;
}

function pointing(self, size, onPoint) {
  const { node } = self;
  node.tabIndex = 0;
  node.setAttribute("role", "application");
  node.setAttribute("aria-roledescription", "picture to point at with the arrow keys");
  node.classList.add("pointable");
  const go = (row, column) => {
    const next = [row, column].map((at) => Math.min(size() - 1, Math.max(0, Math.floor(at))));
    if (next[0] === self.at[0] && next[1] === self.at[1]) return;
    self.at = next;
    onPoint(...next);
  };
  const under = (event) => {
    const box = node.getBoundingClientRect();
    const share = (at, start, whole) => ((at - start) / whole) * size();
    go(share(event.clientY, box.top, box.height), share(event.clientX, box.left, box.width));
  };
  node.addEventListener("pointerdown", under);
  node.addEventListener("pointermove", under);
  node.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(self.at[0] + move[0], self.at[1] + move[1]);
  });
}

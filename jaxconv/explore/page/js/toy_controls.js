// What can be set: how the filter slides, by sliders; whole examples, by buttons.

import { element } from "./element.js";

const SLIDERS = [
  { name: "taps", test: "length", title: "Filter\u2019s length", low: 1 },
  { name: "stride", test: "stride", title: "Stride", low: 1, high: 3 },
  { name: "padding", test: "padding", title: "Padding", low: 0 },
  { name: "dilation", test: "dilation", title: "Dilation", low: 1, high: 3 },
];
const PRESETS = {
  "The chapter\u2019s": {},
  "An edge": { operands: { x: [0, 0, 1, 1, 1], w: [-1, 0, 1] } },
  "One error": { operands: { w: [1, 2, 3], g: [0, 0, 1, 0, 0] } },
  "Stride 2": { operands: { w: [1, 2, 3] }, slide: { stride: 2 } },
  "Dilated": { operands: { w: [1, 2, 3] }, slide: { dilation: 2, padding: 2 } },
};

/** Build the controls; `onSlide(name, value)`, `onPreset(values)`, `onPlay()` are told. */
export function controls(most, { onSlide, onPreset, onPlay }) {
  const sliders = SLIDERS.map((one) => slider({ ...one, high: one.high ?? most[one.name] }, onSlide));
  const play = element("button.play", { type: "button", test: "play", click: onPlay }, "Show me");
  const presets = Object.entries(PRESETS).map(([title, values]) =>
    element("button", { type: "button", click: () => onPreset(values) }, title),
  );
  return {
    node: element(
      "div.controls",
      {},
      element("div.sliders", {}, ...sliders.map(({ node }) => node)),
      element("div.presets", { role: "group", "aria-label": "Examples" }, play, ...presets),
    ),
    show: (slide) => sliders.forEach((one) => one.show(slide)),
    playing: (on) => (play.textContent = on ? "Stop" : "Show me"),
  };
}

function slider({ name, test, title, low, high }, onSlide) {
  const value = element("output", { for: `toy-${test}` });
  const input = element("input", {
    type: "range", id: `toy-${test}`, test, min: low, max: high, step: 1,
    input: () => onSlide(name, Number(input.value)),
  });
  return {
    node: element("div.slider", {}, element("label", { for: `toy-${test}` }, title), value, input),
    show(slide) {
      input.value = slide[name];
      value.textContent = slide[name];
    },
  };
}

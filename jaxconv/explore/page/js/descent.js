// Gradient descent on the drawing: steps, the losses so far, before and after.

import { largest } from "./draw.js";
import { element, place, show } from "./element.js";
import { picture } from "./picture.js";
import { taps } from "./taps.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 72];
const RATES = [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01];
const FIRST_RATE = 3;

/**
 * Build the panel. `onClass(label)`, `onSteps(steps, rate)` and `onReset()` are told what
 * is wanted.
 */
export function descentPanel(classes, kernel, { onClass, onSteps, onReset }) {
  const label = element(
    "select",
    { id: "loss-class", test: "class", change: () => onClass(Number(label.value)) },
    ...classes.map((name, at) => element("option", { value: at }, name)),
  );
  const loss = place("loss", { "aria-live": "polite" });
  const taken = place("taken");
  const rateText = element("output", { for: "rate" });
  const rate = element("input", {
    type: "range", id: "rate", test: "rate", min: 0, max: RATES.length - 1, step: 1,
    value: FIRST_RATE, input: () => told(),
  });
  const told = () => {
    rateText.textContent = RATES[rate.value];
    rate.setAttribute("aria-valuetext", RATES[rate.value]);
  };
  told();
  const button = (test, text, click) => element("button", { type: "button", test, click }, text);
  const step = (steps) => onSteps(steps, RATES[rate.value]);
  const buttons = [
    button("step-1", "One step", () => step(1)),
    button("step-10", "Ten steps", () => step(10)),
    button("reset", "Reset", onReset),
  ];
  const curve = plot();
  const pairs = changes(kernel);
  const line = (...parts) => element("div.controls", {}, ...parts);
  const controls = element(
    "div.descent",
    {},
    line(
      element("label", { for: "loss-class" }, "loss for class"),
      label,
      loss,
    ),
    line(...buttons),
    line(element("label", { for: "rate" }, "rate"), rate, rateText),
    curve.node,
    element("p.scale", {}, "steps taken: ", taken),
  );
  return {
    controls,
    node: pairs.node,
    setClass: (at) => (label.value = at),
    showLoss(value, { steps, losses }) {
      show(loss, value);
      show(taken, steps);
      curve.show(losses);
    },
    showChange: pairs.show,
  };
}

/** A filter and its map, before all steps and now. */
function changes(kernel) {
  const filters = [taps(kernel, "filter before"), taps(kernel, "filter now", { test: "filter-now" })];
  const maps = [picture("Map before"), picture("Map now")];
  const title = element("h2");
  const figure = (map, text) => element("figure", {}, map.node, element("figcaption", {}, text));
  const node = element(
    "article.lens.changed",
    { hidden: true },
    title,
    element(
      "div.changes",
      {},
      filters[0].node,
      filters[1].node,
      figure(maps[0], "map before"),
      figure(maps[1], "map now"),
    ),
  );
  return {
    node,
    show(before, now, at) {
      node.hidden = before === now;
      title.textContent = `What descent did to filter ${at} and its map`;
      const scale = largest([before.filters[at], now.filters[at]]);
      [before, now].forEach((one, which) => {
        filters[which].show(one.filters[at], scale);
        maps[which].show(one.maps[at], { signed: true, scale: 1 });
        maps[which].label(`Map ${at} ${which ? "now" : "before"}`);
      });
    },
  };
}

/** The losses as a line, from 0 to the largest. */
function plot() {
  const svg = (kind, settings) => {
    const one = document.createElementNS(SVG, kind);
    Object.entries(settings).forEach(([name, value]) => one.setAttribute(name, value));
    return one;
  };
  const picture = svg("svg", { viewBox: `-4 -4 ${WIDTH + 8} ${HEIGHT + 8}`, role: "img", class: "curve" });
  const base = svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT, class: "base" });
  const line = svg("polyline", { class: "line" });
  const last = svg("circle", { r: 3, class: "last" });
  picture.append(base, line, last);
  return {
    node: picture,
    show(losses) {
      picture.toggleAttribute("hidden", losses.length < 2);
      const top = largest(losses) || 1;
      const along = WIDTH / Math.max(1, losses.length - 1);
      const points = losses.map((loss, at) => [at * along, HEIGHT * (1 - loss / top)]);
      line.setAttribute("points", points.map((point) => point.join(",")).join(" "));
      const [x, y] = points.at(-1) ?? [0, HEIGHT];
      last.setAttribute("cx", x);
      last.setAttribute("cy", y);
      picture.setAttribute("aria-label", `Losses of ${Math.max(0, losses.length - 1)} steps`);
    },
  };
}

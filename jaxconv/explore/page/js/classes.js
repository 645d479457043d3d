// The classes: logit and probability of each, and the gradient that arrives there.

import { alike, fixed } from "./alike.js";
import { largest } from "./draw.js";
import { element, place, show } from "./element.js";

/** Build a table of the classes; `gradient` columns are shown in backward mode only. */
export function classTable(names) {
  const rows = names.map((name, at) => classRow(name, at));
  const node = element(
    "table.classes",
    {},
    element("caption.visually-hidden", {}, "Classes"),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, "class"),
        element("th", { scope: "col" }, "logit"),
        element("th.when-forward", { scope: "col", colspan: 2 }, "probability"),
        element("th.when-backward", { scope: "col", colspan: 2 }, "gradient"),
      ),
    ),
    element("tbody", {}, ...rows.map(({ row }) => row)),
  );
  return {
    node,
    forward({ logits, probabilities }) {
      const best = probabilities.indexOf(Math.max(...probabilities));
      rows.forEach(({ row, logit, probability, bar }, at) => {
        row.classList.toggle("best", at === best);
        show(logit, logits[at]);
        show(probability, probabilities[at], (value) => fixed(value, 3));
        bar.style.setProperty("--value", probabilities[at]);
      });
    },
    backward(gradients, label) {
      const scale = largest(gradients) || 1;
      const write = scale < 0.01 ? alike(scale) : (value) => fixed(value, 3);
      rows.forEach(({ row, gradient, signed }, at) => {
        row.classList.toggle("label", at === label);
        show(gradient, gradients[at], write);
        signed.style.setProperty("--value", gradients[at] / scale);
        signed.classList.toggle("negative", gradients[at] < 0);
      });
    },
  };
}

function classRow(name, at) {
  const logit = place(`logit-${at}`);
  const probability = place(`probability-${at}`);
  const gradient = place(`logit-grad-${at}`);
  const bar = element("span.bar", { "aria-hidden": "true" });
  const signed = element("span.signed", { "aria-hidden": "true" });
  const row = element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", {}, logit),
    element("td.when-forward.wide", {}, bar),
    element("td.when-forward", {}, probability),
    element("td.when-backward.wide", {}, signed),
    element("td.when-backward", {}, gradient),
  );
  return { row, logit, probability, gradient, bar, signed };
}

/** Build a row of signed bars, one a map, whose `show` takes their values. */
export function signedBars(count, label, onChoose) {
  const bars = Array.from({ length: count }, (_, at) =>
    element("span.upright", { title: `Map ${at}`, click: () => onChoose(at) }),
  );
  const node = element("div.bars", { role: "img", "aria-label": label }, ...bars);
  return {
    node,
    show(values, marked) {
      const scale = largest(values) || 1;
      bars.forEach((bar, at) => {
        bar.style.setProperty("--value", values[at] / scale);
        bar.classList.toggle("negative", values[at] < 0);
        bar.classList.toggle("marked", at === marked);
        bar.dataset.value = values[at];
      });
    },
  };
}

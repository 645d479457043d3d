// Whether jaxconv, asked for the same, gives the same numbers as the page.

import { post } from "./api.js";
import { largest } from "./draw.js";
import { element } from "./element.js";

const WAIT = 500; // milliseconds without a change before asking
const ROUNDING = 2e-5; // float32, and six digits sent

/** Build the line; `ask(found)` compares, a little later. */
export function agreement() {
  const node = element("p.agreement", { test: "agreement" }, "\u00a0");
  let timer;
  return {
    node,
    ask(found) {
      clearTimeout(timer);
      node.dataset.state = "waiting";
      if (!found.output.length) node.textContent = "\u00a0";
      else timer = setTimeout(() => compare(node, found), WAIT);
    },
  };
}

async function compare(node, found) {
  const { x, w, g, settings } = found;
  const { stride, padding, dilation } = settings;
  try {
    const answer = await post("toy", { x, w, g, stride, padding, dilation });
    const pairs = [
      [found.output, answer.output], [found.inputGrad, answer.input_grad],
      [found.paramGrad, answer.param_grad],
    ];
    const size = largest([x.map(Number), [1]]) * largest([w, [1]]) * largest([g, [1]]);
    const equal = pairs.every(([ours, theirs]) =>
      ours.every((one, at) => Math.abs(one - theirs[at]) <= ROUNDING * size * 16),
    );
    node.dataset.state = equal ? "equal" : "differs";
    node.textContent = equal ? "jaxconv.conv and its two gradients give the same." : "jaxconv.conv gives other numbers!";
  } catch (error) {
    if (error.name === "AbortError") return;
    node.dataset.state = "unknown";
    node.textContent = `Not compared with jaxconv. ${error.message}`;
  }
}

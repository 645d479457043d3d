// What the section "Images" is made of, and where it stands.

import { columnLens, diagonalLens } from "./backward.js";
import { classTable } from "./classes.js";
import { descentPanel } from "./descent.js";
import { format, largest } from "./draw.js";
import { arrows, chosen, element } from "./element.js";
import { forwardLens } from "./forward.js";
import { gallery } from "./maps.js";
import { pad, padTools } from "./pad.js";
import { picture } from "./picture.js";

const BRIGHTEST = 2.8; // about a white pixel of MNIST, as the model takes it
const KEYS = "Arrows move, space draws, shift + arrow draws a line, backspace erases.";
const MODES = { forward: "Forward", backward: "Backward" };
const ARRIVED = { dense_grad: "from the dense layer", maps_grad: "before tanh" };

/** Build everything inside `root`; `on` holds what to call, as `actions` returns it. */
export function layout(root, info, on) {
  const parts = {
    pad: pad(on.onDraw),
    image: picture("Gradient at the image", {
      onPoint: on.onInput, test: "image-grad", kind: "column",
    }),
    maps: gallery(info.filters, on.onMap),
    classes: classTable(info.classes),
    row: forwardLens(info.kernel, on.onOutput),
    column: columnLens(info.filters, info.kernel, on.onMap),
    diagonal: diagonalLens(info.kernel, on.onTap),
    descent: descentPanel(info.classes, info.kernel, on),
    scale: element("p.scale"),
  };
  const modes = choice("Direction", MODES, "mode-", on.onMode);
  const arrived = choice("Gradient of the maps", ARRIVED, "arrived-", on.onArrived);
  arrived.choose("maps_grad");
  root.append(
    element("div.modes", {}, modes.node),
    element("div.flow", {}, ...stages(parts, info, on, arrived)),
    element("div.lenses", {}, parts.row.node, parts.column.node, parts.diagonal.node, parts.descent.node),
  );
  return { ...parts, ...shows(root, parts, info, modes) };
}

function stages(parts, info, on, arrived) {
  const tools = padTools(info.digits, {
    onDigit: on.onDigit, onClear: on.onClear, onErase: parts.pad.erase,
  });
  const size = `${info.kernel}×${info.kernel}`;
  return [
    stage(
      "image", "Image", "28×28: draw here",
      parts.pad.node,
      element("p.keys", { "aria-hidden": "true" }, KEYS),
      tools,
      element(
        "figure.when-backward",
        {},
        parts.image.node,
        element("figcaption", {}, "Gradient at the image: point at a pixel"),
      ),
    ),
    stage(
      "maps", `${info.filters} feature maps`, `each from its ${size} filter`,
      element("div.when-backward", {}, arrived.node),
      parts.maps.node,
      parts.scale,
    ),
    stage("logits", "Dense layer", `${info.classes.length} logits`, parts.classes.node, parts.descent.controls),
  ];
}

const stage = (name, title, hint, ...content) =>
  element(
    `article.stage.${name}`,
    {},
    element("h2", {}, title, " ", element("small", {}, hint)),
    ...content,
  );

/** A group of buttons of which one is pressed. */
function choice(label, options, prefix, onChoose) {
  const names = Object.keys(options);
  const buttons = names.map((name) =>
    element(
      "button",
      { type: "button", role: "radio", test: prefix + name, click: () => choose(name) },
      options[name],
    ),
  );
  const mark = (name) => chosen(buttons, names.indexOf(name));
  const choose = (name) => {
    mark(name);
    onChoose(name);
  };
  arrows(buttons, () => names.length, (at) => choose(names[at]));
  const node = element("div.choice", { role: "radiogroup", "aria-label": label }, ...buttons);
  return { node, choose: mark };
}

/** How answers of the server become visible. */
function shows(root, parts, info, modes) {
  const { pad: board, maps, classes, row, column, diagonal, descent, image, scale } = parts;
  const ends = (most) => {
    scale.textContent = `Maps from −${format(most)} (blue) to ${format(most)} (red), each filter on a scale of its own`;
  };
  return {
    setMode(mode) {
      root.dataset.mode = mode;
      modes.choose(mode);
      if (mode === "backward") board.hideWindow();
    },
    showForward(state) {
      const { forward, before, map } = state;
      board.paint();
      classes.forward(forward);
      row.showMap(forward.maps[map], map);
      descent.showChange(before, forward, map);
      if (state.mode === "backward") return;
      maps.show(forward.maps, forward.filters, 1);
      maps.frame("row", state.output, 1);
      ends(1);
    },
    showBackward(state) {
      const { backward, map } = state;
      descent.showLoss(backward.loss, state);
      classes.backward(backward.logits_grad, state.label);
      if (state.mode === "forward") return;
      const most = largest(backward[state.arrived]) || 1;
      maps.show(backward[state.arrived], backward.filters_grad, most);
      ends(most);
      maps.frame("column", state.input, info.kernel);
      image.show(backward.input_grad, { signed: true, scale: largest(backward.input_grad) || 1 });
      column.showMap(backward.maps_grad[map], map, largest(backward.maps_grad) || 1, state.input);
      diagonal.showFilter(backward.filters_grad[map], map);
    },
    showOutput(answer, map, output) {
      row.show(answer, map, output, Math.max(BRIGHTEST, largest(answer.patch)));
      maps.frame("row", output, 1);
      if (root.dataset.mode === "forward")
        board.window(answer.top, answer.left, info.kernel, info.kernel);
    },
  };
}

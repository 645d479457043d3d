// The section "Ideas": four ideas of the chapter, three of them on a drawing.

import { post, told } from "./api.js";
import { onTheme } from "./draw.js";
import { FIRST, drawing, onDrawing } from "./drawing.js";
import { element } from "./element.js";
import { halves } from "./ideas_halves.js";
import { kernels } from "./ideas_kernels.js";
import { counts } from "./ideas_layers.js";
import { fields } from "./ideas_receptive.js";
import { pad } from "./pad.js";

/** Build the section inside `root`. */
export function start(root, info) {
  let asked = 0;
  const busy = (more) => (root.dataset.busy = String((asked += more)));
  const board = pad(() => changed());
  const parts = [kernels(info, busy), halves(busy), fields(busy)];
  let stale = false;
  const changed = () => {
    stale = root.hidden; // then nobody sees it: asked for later
    if (!stale) parts.forEach((part) => part.draw(board.pixels()));
  };
  const take = (pixels) => {
    board.set(pixels);
    changed();
  };
  const digit = told(async (index) => take((await post("digit", { index }, "ideas")).pixels));
  const another = () => digit(Math.floor(Math.random() * info.digits));
  const button = (test, text, click) => element("button", { type: "button", test, click }, text);
  root.append(
    element(
      "div.idea.drawing",
      {},
      board.node,
      element("div.tools", {}, button("ideas-digit", "Another digit", another), button("ideas-clear", "Clear", board.clear)),
      element("p.hint", {}, "Draw here: the pictures follow."),
    ),
    element("div.ideas", {}, parts[0].node, counts(info.layers), parts[1].node, parts[2].node),
  );
  onTheme(() => {
    board.paint();
    changed();
  });
  document.addEventListener("part", () => stale && changed());
  onDrawing(take);
  if (drawing().flat().some(Boolean)) take(drawing());
  else digit(Math.min(FIRST, info.digits - 1));
}

// A table of numbers as large as the filter, each cell in the colour of its number.

import { alike } from "./alike.js";
import { colour, largest } from "./draw.js";
import { arrows, chosen, element } from "./element.js";

/** Build a table of size x size numbers under a caption. */
export function taps(size, caption, { test } = {}) {
  const cells = square(size, () => element("td"));
  const node = element(
    "table.taps",
    { test },
    element("caption", {}, caption),
    element("tbody", {}, ...cells.map((row) => element("tr", {}, ...row))),
  );
  return { node, show: (rows, scale) => fill(cells, rows, scale) };
}

/** Build the same of buttons, of which one is chosen; `onChoose(row, column)` is told. */
export function tapButtons(size, label, onChoose) {
  const cells = square(size, (row, column) =>
    element("button", {
      type: "button", role: "radio", test: `tap-${row}-${column}`,
      pointerenter: () => choose(row * size + column),
      click: () => choose(row * size + column),
    }),
  );
  const all = cells.flat();
  const node = element("div.taps.buttons", { role: "radiogroup", "aria-label": label }, ...all);
  let last = -1;
  const choose = (at) => {
    if (at === last) return;
    last = at;
    chosen(all, at);
    onChoose(Math.floor(at / size), at % size);
  };
  arrows(all, () => size, choose);
  chosen(all, Math.floor(all.length / 2));
  return {
    node,
    choose: (row, column) => choose(row * size + column),
    show: (rows, scale) => fill(cells, rows, scale),
  };
}

const square = (size, build) =>
  Array.from({ length: size }, (_, row) =>
    Array.from({ length: size }, (_, column) => build(row, column)),
  );

function fill(cells, rows, scale) {
  const write = alike(largest(rows));
  rows.forEach((row, r) =>
    row.forEach((value, c) => {
      const { background, text } = colour(value, scale);
      const cell = cells[r][c];
      cell.textContent = write(value);
      cell.dataset.value = value;
      cell.style.backgroundColor = background;
      cell.style.color = text;
    }),
  );
}

// The pad on which one draws: pointer, touch and keys; 28 rows of 28 ints, 0 to 255.

import { FIRST } from "./drawing.js";
import { element } from "./element.js";
import { clamp, picture, under } from "./picture.js";

const SIZE = 28;
const FULL = 255;
const RADIUS = 1.7; // of the brush in pixels: full ink within 0.8, then fading
const FADE = 0.9;
const RUBBER = 2.9; // of the eraser, which takes away what the brush left at its edge
const STEP = 0.4; // between the dabs of a stroke, in pixels
const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const HELP =
  "Drawing pad, 28 by 28 pixels. Arrow keys move the brush, space draws, " +
  "shift with an arrow draws a line, backspace erases.";

/** Build a pad; `onDraw()` is told whenever its pixels change by drawing. */
export function pad(onDraw) {
  const view = picture(HELP, { test: "pad" });
  const rows = Array.from({ length: SIZE }, () => new Array(SIZE).fill(0));
  let erasing = false;
  const self = {
    ...view,
    pixels: () => rows.map((row) => [...row]),
    /** Take pixels from elsewhere, without telling `onDraw`. */
    set(pixels) {
      pixels.forEach((row, at) => rows[at].splice(0, SIZE, ...row));
      self.paint();
    },
    clear: () => {
      rows.forEach((row) => row.fill(0));
      changed();
    },
    erase: (on) => (erasing = on),
    paint: () => view.show(rows, { signed: false, scale: FULL }),
  };
  const changed = () => {
    self.paint();
    onDraw();
  };
  const dab = (row, column, rub = erasing) => {
    const radius = rub ? RUBBER : RADIUS;
    for (let r = clamp(row - radius); r <= clamp(row + radius); r++)
      for (let c = clamp(column - radius); c <= clamp(column + radius); c++) {
        const distance = Math.hypot(r + 0.5 - row, c + 0.5 - column);
        const ink = Math.round(FULL * Math.min(1, Math.max(0, (radius - distance) / FADE)));
        rows[r][c] = rub ? Math.min(rows[r][c], FULL - ink) : Math.max(rows[r][c], ink);
      }
  };
  byPointer(view, dab, changed);
  byKeys(view, dab, changed);
  return self;
}

function byPointer({ node, canvas }, dab, changed) {
  let from = null;
  const stroke = (event) => {
    const to = under(event, canvas);
    const [down, right] = [to[0] - from[0], to[1] - from[1]];
    const dabs = Math.max(1, Math.ceil(Math.hypot(down, right) / STEP));
    for (let at = 1; at <= dabs; at++)
      dab(from[0] + (down * at) / dabs, from[1] + (right * at) / dabs);
    from = to;
  };
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    from = under(event, canvas);
    dab(...from);
    changed();
  });
  node.addEventListener("pointermove", (event) => {
    if (!from) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    (passed.length ? passed : [event]).forEach(stroke);
    changed();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    node.addEventListener(end, () => (from = null));
}

function byKeys(view, dab, changed) {
  const { node } = view;
  let [row, column] = [SIZE / 2, SIZE / 2];
  const draw = (rub) => {
    dab(row + 0.5, column + 0.5, rub);
    changed();
  };
  node.tabIndex = 0;
  node.setAttribute("role", "application");
  node.setAttribute("aria-roledescription", "drawing pad");
  node.classList.add("drawable");
  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const move = KEYS[event.key];
    if (move) {
      [row, column] = [clamp(row + move[0]), clamp(column + move[1])];
      view.point(row, column);
      if (event.shiftKey) draw();
    } else if (event.key === " " || event.key === "Enter") draw();
    else if (event.key === "Backspace" || event.key === "Delete") draw(true);
    else return;
    event.preventDefault();
  });
  view.point(row, column); // the brush, which the style shows while the pad has focus
}

/** Build what stands below the pad: a digit of the test set, another, clear, erase. */
export function padTools(digits, { onDigit, onClear, onErase }) {
  const number = element("input", {
    type: "number", min: 0, max: digits - 1, step: 1, value: Math.min(FIRST, digits - 1), test: "digit", id: "digit-index",
    change: () => go(Number(number.value)),
  });
  const go = (index) => {
    const kept = Math.min(digits - 1, Math.max(0, Math.round(index) || 0));
    number.value = kept;
    onDigit(kept);
  };
  const eraser = element(
    "button",
    { type: "button", "aria-pressed": "false", test: "erase", click: () => rub() },
    "Erase",
  );
  const rub = (on = eraser.getAttribute("aria-pressed") !== "true") => {
    eraser.setAttribute("aria-pressed", String(on));
    onErase(on);
  };
  const button = (test, text, click) => element("button", { type: "button", test, click }, text);
  return element(
    "div.tools",
    {},
    element("label", { for: "digit-index" }, "Digit no."),
    number,
    button("another", "Another", () => go(Math.floor(Math.random() * digits))),
    button("clear", "Clear", () => {
      rub(false);
      number.value = "";
      onClear();
    }),
    eraser,
  );
}

// The drawing, which the section "Images" makes and others show, too.

// The first digit of the test set to show: one that the trained model takes for another,
// so that its loss has a gradient to send back.
export const FIRST = 8;

const SIZE = 28;
const listeners = new Set();
let rows = Array.from({ length: SIZE }, () => new Array(SIZE).fill(0));

/** Return the pixels as they are now: 28 rows of 28 ints, 0 to 255. */
export const drawing = () => rows;

/** Take new pixels, and tell who listens. */
export function setDrawing(pixels) {
  rows = pixels;
  listeners.forEach((listener) => listener(rows));
}

/** Call `listener(pixels)` whenever the drawing changes. */
export const onDrawing = (listener) => listeners.add(listener);

// Numbers as colours and as text, the same in all sections.

const STEPS = 255; // colours on each side of zero
const MINUS = "\u2212";
const tables = new Map(); // by theme

/** Return a number as short text: `digits` significant ones, a real minus sign. */
export function format(number, digits = 3) {
  if (number === null || !Number.isFinite(number)) return "\u2013";
  const size = Math.abs(number);
  let text;
  if (size === 0) text = "0";
  else if (Number.isInteger(number) && size < 1e6) text = String(size);
  else if (size >= 10 ** Math.max(digits, 5) || size < 1e-3) text = size.toExponential(Math.min(digits, 3) - 1);
  else text = String(Number(size.toPrecision(Math.max(digits, Math.ceil(Math.log10(size))))));
  text = text.replace("e+", "e").replace("e-", `e${MINUS}`).replace(/\.?0+(?=e)/, "");
  return number < 0 && text !== "0" ? MINUS + text : text;
}

/**
 * Paint rows of numbers into a canvas, a pixel each; its style says how large they look.
 * `signed`: negative blue, zero the paper, positive red. Otherwise from paper to ink.
 * `scale` is the number that gets the full colour; by default the largest in size.
 */
export function heatmap(canvas, rows, { signed = true, scale = largest(rows) || 1 } = {}) {
  const [height, width] = [rows.length, rows[0].length];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const { heat, ink } = colours();
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  let at = 0;
  for (const row of rows)
    for (const value of row) {
      const share = Math.max(-1, Math.min(1, value / scale)) || 0;
      const colour = signed ? heat[STEPS + Math.round(STEPS * share)] : ink[Math.round(STEPS * Math.max(0, share))];
      image.data.set(colour.bytes, at);
      at += 4;
    }
  context.putImageData(image, 0, 0);
}

/** Return the colours of one number: { background, text }, as `heatmap` paints them. */
export function colour(value, scale = 1, signed = true) {
  const share = Math.max(-1, Math.min(1, value / (scale || 1))) || 0;
  const { heat, ink } = colours();
  return signed ? heat[STEPS + Math.round(STEPS * share)] : ink[Math.round(STEPS * Math.max(0, share))];
}

/** Return whether the page is dark now. */
export const isDark = () =>
  (document.documentElement.dataset.theme ??
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

/** Call `paint` when the page turns dark or light: pictures do not follow by themselves. */
export function onTheme(paint) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  new MutationObserver(paint).observe(document.documentElement, {
    attributeFilter: ["data-theme"],
  });
}

/** Return the largest size in nested lists of numbers. */
export const largest = (values) =>
  Array.isArray(values)
    ? values.reduce((most, value) => Math.max(most, largest(value)), 0)
    : Math.abs(values) || 0;

// Colours ------------------------------------------------------------------------------

/** Return the tables of colours of the theme, made from the style's when first needed. */
function colours() {
  const theme = isDark();
  if (!tables.has(theme)) {
    const style = getComputedStyle(document.documentElement);
    const lab = (name) => toLab(style.getPropertyValue(name).match(/[\d.]+/g).map(Number));
    const zero = lab("--heat-zero");
    const down = ramp(zero, lab("--heat-middle-negative"), lab("--heat-negative"));
    const up = ramp(zero, lab("--heat-middle-positive"), lab("--heat-positive"));
    const grey = lab("--heat-ink");
    const half = zero.map((part, axis) => (part + grey[axis]) / 2);
    tables.set(theme, {
      heat: [...down.slice(1).reverse(), ...up],
      ink: ramp(zero, half, grey),
    });
  }
  return tables.get(theme);
}

/** Return STEPS + 1 colours through three, evenly spaced for the eye (in OKLab). */
function ramp(first, middle, last) {
  return Array.from({ length: STEPS + 1 }, (_, at) => {
    const share = (2 * at) / STEPS;
    const [from, to, part] = share < 1 ? [first, middle, share] : [middle, last, share - 1];
    return shown(from.map((start, axis) => start + (to[axis] - start) * part));
  });
}

/** Return a colour as bytes for a canvas, and as texts for a style. */
function shown(lab) {
  const bytes = [...fromLab(lab), 255];
  const [r, g, b] = bytes.map(linear);
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return {
    bytes,
    background: `rgb(${bytes.slice(0, 3).join(" ")})`,
    text: light > 0.179 ? "#000000" : "#ffffff", // of the two the one with more contrast
  };
}

/** Return how much light a byte of a colour stands for, from 0 to 1. */
function linear(byte) {
  const part = byte / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

// OKLab, by B. Ottosson (2020): equal steps look equal.

function toLab(bytes) {
  const [r, g, b] = bytes.slice(0, 3).map(linear);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromLab([light, a, b]) {
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((part) => {
    const bounded = Math.max(0, Math.min(1, part));
    const coded = bounded <= 0.0031308 ? 12.92 * bounded : 1.055 * bounded ** (1 / 2.4) - 0.055;
    return Math.round(255 * coded);
  });
}

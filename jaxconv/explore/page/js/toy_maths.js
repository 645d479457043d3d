// One filter over a few numbers: the three results, from one list of products.
//
// The only arithmetic of the page that is not the library's; tests/explore/test_toy.py
// compares it with jaxconv. `settings` are { size, taps, stride, padding: [low, high],
// dilation }: numbers of the input, weights of the filter, and how it slides.

/** Return the number of outputs; none where the filter spans more than there is. */
export function outputs({ size, taps, stride, padding: [low, high], dilation }) {
  const span = (taps - 1) * dilation + 1;
  return Math.max(0, Math.floor((size + low + high - span) / stride) + 1);
}

/**
 * Return all products as { row, column, tap }: output `row` reads input `column` through
 * weight `tap`. Columns below 0 and from `size` on are padding, which is zero.
 */
export function products(settings) {
  const { taps, stride, padding, dilation } = settings;
  const list = [];
  for (let row = 0; row < outputs(settings); row++)
    for (let tap = 0; tap < taps; tap++)
      list.push({ row, column: row * stride + tap * dilation - padding[0], tap });
  return list;
}

/** Compute the output: the sums along the rows. */
export const output = (x, w, settings) =>
  sums(settings, "row", outputs(settings), ({ column, tap }) => (x[column] ?? 0) * w[tap]);

/** Compute the gradient at the input, from `g` at the output: the sums down the columns. */
export const inputGrad = (g, w, settings) =>
  sums(settings, "column", settings.size, ({ row, tap }) => g[row] * w[tap]);

/** Compute the gradient at the filter: the sums along the diagonals. */
export const paramGrad = (x, g, settings) =>
  sums(settings, "tap", settings.taps, ({ row, column }) => (x[column] ?? 0) * g[row]);

/** Add up the products that share a place: `places` sums. */
function sums(settings, place, places, product) {
  const totals = new Array(places).fill(0);
  for (const one of products(settings))
    if (one[place] in totals) totals[one[place]] += product(one);
  return totals;
}

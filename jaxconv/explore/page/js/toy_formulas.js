// The three formulas, with letters and with the numbers in place.

import { format } from "./draw.js";
import { element } from "./element.js";
import { factors, inputOf, variable } from "./toy_terms.js";

const TIMES = "\u00b7";
const dot = () => element("span.dot", {}, TIMES);

const CARDS = {
  row: {
    title: "Output: a row",
    letter: (at) => variable("o", at.row),
    index: "row",
    value: (found, at) => found.output[at.row],
    symbols: ({ column, tap }, size) => [inputOf(column, size), variable("w", tap)],
    general: ({ padded }) => ["output[o] = \u2211", element("sub", {}, "p"), ` ${padded} ${TIMES} w[p]`],
    say: (list, at, size) => [
      variable("o", at.row), " reads ",
      ...listed(list, ({ column, tap }) => [inputOf(column, size), " through ", variable("w", tap)]), ".",
    ],
  },
  column: {
    title: "Gradient at the input: a column",
    letter: (at) => variable("x", at.column, "\u2202"),
    index: "column",
    value: (found, at) => found.inputGrad[at.column],
    symbols: ({ row, tap }) => [variable("g", row), variable("w", tap)],
    general: ({ place }) => ["input_grad[i] = \u2211 g[o]", ` ${TIMES} w[p], where ${place} = i`],
    say: (list, at, size, settings) => [
      variable("x", at.column), " was read ",
      ...listed(list, ({ row, tap }) => ["by ", variable("o", row), " through ", variable("w", tap)]),
      list.length > 1 ? ": the output\u2019s index rises as the weight\u2019s falls." : ".",
      isBooks(at, settings) ? " The book works this one out: its t5." : "",
    ],
  },
  diagonal: {
    title: "Gradient at the filter: a diagonal",
    letter: (at) => variable("w", at.tap, "\u2202"),
    index: "tap",
    value: (found, at) => found.paramGrad[at.tap],
    symbols: ({ row, column }, size) => [inputOf(column, size), variable("g", row)],
    general: ({ padded }) => ["param_grad[p] = \u2211", element("sub", {}, "o"), ` ${padded} ${TIMES} g[o]`],
    say: (list, at, size) => [
      variable("w", at.tap), " carried ",
      ...listed(list, ({ row, column }) => [inputOf(column, size), " into ", variable("o", row)]),
      list.length > 1 ? ": both indices rise together." : ".",
    ],
  },
};

/** Whether it is the input whose gradient the chapter derives. */
const isBooks = ({ column }, { taps, stride, padding, dilation }) =>
  column === 4 && taps === 3 && stride === 1 && padding[0] === 1 && dilation === 1;

/** Build the cards; `onPoint(active, at)` is told when one is chosen. */
export function formulas({ onPoint }) {
  const cards = Object.entries(CARDS).map(([kind, card]) => build(kind, card, onPoint));
  const same = element("article.card.same", { test: "same" });
  const node = element(
    "div.formulas",
    { test: "formula", role: "group", "aria-label": "Formulas" },
    ...cards.map((card) => card.node),
    same,
  );
  return {
    node,
    show(found, state) {
      node.dataset.active = state.active;
      cards.forEach((card) => card.show(found, state));
      same.replaceChildren(...identity(found));
    },
  };
}

function build(kind, card, onPoint) {
  const general = element("p.general");
  const lines = element("p.lines");
  const sentence = element("p.sentence");
  const choose = element("button.link", { type: "button", click: () => onPoint(kind, {}) }, card.title);
  const node = element(`article.card.${kind}`, { test: `formula-${kind}` }, element("h2", {}, choose), general, lines, sentence);
  return {
    node,
    show(found, { active, at }) {
      const { size } = found.settings;
      const here = active === kind || active === "cell";
      node.dataset.on = String(here);
      sentence.setAttribute("aria-live", active === kind ? "polite" : "off");
      general.replaceChildren(...card.general(indices(found.settings)));
      const list = found.products.filter((one) => one[card.index] === at[card.index]);
      const value = card.value(found, at);
      if (!list.length || value === undefined) {
        lines.replaceChildren(...(value === undefined ? [] : [element("span.total", {}, card.letter(at), " = ", result(value))]));
        sentence.textContent = none(kind, at, found);
        return;
      }
      lines.replaceChildren(...equation(kind, card, list, at, found, value));
      sentence.replaceChildren(...card.say(list, at, size, found.settings));
    },
  };
}

/** The letters, then the numbers in their places, then the result. */
function equation(kind, card, list, at, found, value) {
  const { size } = found.settings;
  const crossed = (one) => ["row", "column", "tap"].every((name) => one[name] === at[name]);
  const term = (one, content) => element(crossed(one) ? "span.term.crossed" : "span.term", {}, ...content);
  const letters = list.map((one) => term(one, between(card.symbols(one, size), dot)));
  const numbers = list.map((one) =>
    term(one, between(factors(kind, one, found).map((part) => bracketed(part)), dot)),
  );
  return [
    element("span.letters", {}, card.letter(at), " = ", ...between(letters, plus)),
    element("span.numbers", {}, "= ", ...between(numbers, plus)),
    element("span.total", {}, "= ", result(value)),
  ];
}

const result = (value) => element("strong", {}, format(value, 4));
const bracketed = (number) => (number < 0 ? `(${format(number, 4)})` : format(number, 4));
const between = (parts, sign) => parts.flatMap((part, at) => (at ? [sign(), part] : [part]));
const plus = () => " + ";

function listed(list, say) {
  return list.flatMap((one, at) => {
    const before = at === 0 ? [] : [at === list.length - 1 ? " and " : ", "];
    return [...before, ...say(one)];
  });
}

function none(kind, at, found) {
  if (!found.output.length) return "There is no output.";
  if (kind === "column" && !(at.column in found.x))
    return "Padding is a constant zero: no gradient is kept for it.";
  return "No output reads this number, so nothing comes back to it.";
}

/** Write the indices of the formulas, with the numbers of the settings in them. */
function indices({ stride, padding: [low], dilation }) {
  const times = (number, letter) => (number === 1 ? letter : `${number}${letter}`);
  const place = `${times(stride, "o")} + ${times(dilation, "p")}`;
  return { padded: `padded[${place}]`, place: low ? `${place} \u2212 ${low}` : place };
}

/** The sum of everything, in three ways: what `check_bilinear` tests. */
function identity({ x, w, g, output, inputGrad, paramGrad }) {
  const inner = (a, b) => a.reduce((sum, one, at) => sum + one * b[at], 0);
  const ways = [
    ["row", "g", "o", inner(g, output)],
    ["column", "x", "\u2202x", inner(x, inputGrad)],
    ["diagonal", "w", "\u2202w", inner(w, paramGrad)],
  ];
  const shown = ways.map(([kind, letter, other, sum]) =>
    element(
      `span.way.${kind}`, {},
      element("span", {}, "\u2211 ", element("i", {}, letter), dot(), element("i", {}, other)),
      element("strong", {}, format(sum, 4)),
    ),
  );
  return [
    element("h2", {}, "One sum, three ways"),
    element("p.ways", {}, ...between(shown, () => "=")),
    element("p.sentence", {},
      "All products of g, x and w, added up by rows, by columns, by diagonals: equal, or a gradient is wrong. ",
      element("a", { href: "#check" }, "check_bilinear"), " begins with this."),
  ];
}

// The section "Check": three functions, and what check_bilinear says of them.

import { post, say, told } from "./api.js";
import { colour, format, largest, onTheme } from "./draw.js";
import { element } from "./element.js";

const NAMES = {
  output: "output(x, w)", input_grad: "input_grad(g, w)", param_grad: "param_grad(x, g)",
};
const FIRST = "not-turned";
const LINES = 15; // of code that are seen at least

/** Build the section inside `root`. */
export function start(root, info) {
  const { examples, allow_code: mayRun } = info;
  const names = examples.map(({ name }) => name);
  let answer = null;
  const menu = element(
    "select",
    { id: "check-example", test: "example", change: () => choose(menu.value) },
    ...examples.map(({ name, title }) => element("option", { value: name }, title)),
  );
  const code = element("textarea", {
    id: "check-code", test: "code", spellcheck: "false", rows: LINES, wrap: "off", readonly: !mayRun,
    autocapitalize: "off", "aria-describedby": "check-note",
    input: () => (run.disabled = !code.value.trim()),
  });
  const run = element("button.play", { type: "button", test: "check", click: () => check() }, "Check");
  const result = element("div.result", { test: "report-all", "aria-live": "polite" }, element("p.wait", {}, "Checking\u2026"));
  const full = element("div.full");
  const show = () => {
    result.replaceChildren(...findings(answer));
    full.replaceChildren(...report(answer.report));
  };
  const source = () => examples.find(({ name }) => name === menu.value)?.source;
  const choose = (name) => {
    menu.value = name;
    code.value = source();
    code.rows = Math.max(LINES, code.value.split("\n").length);
    run.disabled = false;
    check();
  };
  const check = told(async () => {
    root.dataset.busy = "1";
    const own = code.value !== source();
    try {
      answer = await post("check", own ? { source: code.value } : { example: menu.value });
      show();
    } catch (error) {
      if (error.name === "AbortError") return;
      answer = null;
      result.replaceChildren(element("p.verdict.wrong", { test: "verdict" }, error.message));
      full.replaceChildren();
    } finally {
      root.dataset.busy = "0";
    }
  });
  root.append(
    element(
      "div.bench",
      {},
      element(
        "div.code",
        {},
        element("div.line", {}, element("label", { for: "check-example" }, "Seeded bug"), menu, run),
        element("label.visually-hidden", { for: "check-code" }, "The three functions, in Python"),
        code,
        element("p.hint", { id: "check-note", test: "check-note" }, ...note(mayRun)),
      ),
      result,
      full,
    ),
  );
  onTheme(() => answer && show());
  say("");
  choose(names.includes(FIRST) ? FIRST : names[0]);
}

const note = (mayRun) =>
  mayRun
    ? ["Or paste functions of your own. They run as you, in a process of this server, which was started with ", element("code", {}, "--allow-code"), "."]
    : ["Code of your own runs only after ", element("code", {}, "jaxconv-explore --allow-code"), ", as it runs as you, on this computer. The seeded bugs need no switch."];

/** Show an answer: the verdict, the patterns that were recognised, the picture. */
function findings({ ok, failures, picture }) {
  const wrong = [...new Set(failures.map(({ map }) => map))];
  const patterns = [...new Set(failures.map(({ pattern }) => pattern).filter(Boolean))];
  const verdict = ok
    ? "All three belong together: each gradient is the output\u2019s."
    : `Wrong: ${wrong.join(", ")}`;
  return [
    element(`p.verdict.${ok ? "right" : "wrong"}`, { test: "verdict" }, verdict),
    ...patterns.map((pattern) => element("p.pattern", { test: "pattern" }, sentence(pattern))),
    failures.length > 0 && element("p.problem", { test: "problem" }, sentence(failures[0].problem)),
    picture && compared(picture),
  ].filter(Boolean);
}

/** Show the report: its table as it is, its sentences with line breaks. */
function report(text) {
  const lines = text.split("\n").map((line, at, all) => {
    const kind = line.endsWith("FAILED") ? "span.failed" : /  |---/.test(line) ? "span" : "span.prose";
    return element(kind, {}, at < all.length - 1 ? `${line}\n` : line);
  });
  return [
    element("h2", {}, "The report of ", element("code", {}, "check_bilinear")),
    element("pre", { test: "report", tabindex: 0, "aria-label": "Report" }, ...lines),
  ];
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** What the function returned over what it should have, the wrong elements framed. */
function compared({ map, found, expected, wrong }) {
  const scale = largest([found, expected]) || 1;
  return element(
    "figure.compared",
    {},
    numbers(`${NAMES[map] ?? map} returns`, found, wrong, scale),
    numbers("from the output it follows that", expected, wrong, scale),
  );
}

function numbers(title, rows, wrong, scale) {
  const cell = (value, row, column) => {
    const bad = wrong[row][column];
    const node = element(bad ? "td.bad" : "td", {}, format(value));
    const { background, text } = colour(value, scale);
    Object.assign(node.style, { backgroundColor: background, color: text });
    if (bad) node.append(element("span.visually-hidden", {}, " wrong"));
    return node;
  };
  const body = rows.map((row, r) => element("tr", {}, ...row.map((value, c) => cell(value, r, c))));
  const table = element("table", {}, element("caption", {}, title), element("tbody", {}, ...body));
  table.style.setProperty("--columns", rows[0].length);
  return element("div.scroll", {}, table);
}

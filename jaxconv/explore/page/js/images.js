// The section "Images": a drawing goes forward through the model, its loss comes back.
//
// `state` holds what the user chose and what the server answered last; every change asks
// for what depends on it, and every answer is painted at once.

import { post, told } from "./api.js";
import { largest, onTheme } from "./draw.js";
import { FIRST, drawing, setDrawing } from "./drawing.js";
import { layout } from "./images_layout.js";
import { afterPause, inTurn, latest } from "./latest.js";

const MIDDLE = [14, 14];

/** Build the section inside `root`. */
export function start(root, info) {
  const state = {
    mode: "forward", arrived: "maps_grad", map: 0, output: MIDDLE, input: MIDDLE, tap: [2, 2],
    label: 0, session: null, steps: 0, losses: [], begun: false, forward: null,
    before: null, backward: null,
  };
  const asks = questions(root, state);
  const view = layout(root, info, actions(state, asks, () => view));
  asks.connect(view);
  view.setMode(state.mode);
  onTheme(() => repaint(view, state));
  asks.digit(Math.min(FIRST, info.digits - 1));
}

/** What the user does, and what has to be asked for then. */
function actions(state, asks, view) {
  return {
    onDraw() {
      setDrawing(view().pad.pixels());
      state.begun = false;
      asks.everything();
    },
    onClear: () => view().pad.clear(),
    onDigit: (index) => asks.digit(index),
    onMode(mode) {
      state.mode = mode;
      view().setMode(mode);
      repaint(view(), state);
      asks.pointed();
    },
    onArrived(which) {
      state.arrived = which;
      repaint(view(), state);
    },
    onMap(map) {
      state.map = map;
      view().maps.mark(map);
      repaint(view(), state);
      asks.pointed();
    },
    onOutput(row, column) {
      state.output = [row, column];
      asks.mapPixel();
    },
    onInput(row, column) {
      state.input = [row, column];
      repaint(view(), state);
      asks.inputPixel();
    },
    onTap(row, column) {
      state.tap = [row, column];
      asks.weight();
    },
    onClass(label) {
      state.label = label;
      state.begun = false;
      asks.backward();
    },
    onSteps: (steps, rate) => asks.descend(steps, rate),
    onReset: () => asks.reset(),
  };
}

/** The questions to the server, each asked for the newest state only. */
function questions(root, state) {
  let view;
  let asked = 0;
  const busy = (more) => (root.dataset.busy = String((asked += more)));
  const ask = (name, more = {}, session = state.session) =>
    post(name, { pixels: drawing(), ...(session && { session }), ...more });
  const newest = (work) => latest(told(work), busy);

  const self = {
    connect: (built) => (view = built),
    digit: newest(async (index) => {
      const { pixels: rows, label } = await post("digit", { index });
      state.label = label;
      state.begun = false;
      view.descent.setClass(label);
      view.pad.set(rows);
      setDrawing(rows);
      self.everything();
    }),
    /** The drawing or the weights changed. */
    everything: newest(async () => {
      const now = await ask("forward");
      const before = state.session ? await ask("forward", {}, null) : now;
      const first = !state.forward;
      Object.assign(state, { forward: now, before });
      if (first) view.maps.choose(strongest(now.filters));
      else repaint(view, state);
      if (state.mode === "backward") return self.backward();
      self.pointed();
      self.lossLater();
    }),
    backward: newest(async () => {
      state.backward = await ask("backward", { label: state.label });
      if (!state.begun) state.losses = [state.backward.loss];
      repaint(view, state);
      if (state.mode === "backward") self.pointed();
    }),
    /** Forward, only the loss of it is seen: it can wait until the pen rests. */
    lossLater: afterPause(() => self.backward(), busy),
    pointed() {
      if (state.mode === "forward") return self.mapPixel();
      self.inputPixel();
      return self.weight();
    },
    mapPixel: newest(async () => {
      const { map, output } = state;
      const answer = await ask("map_pixel", { map, row: output[0], column: output[1] });
      view.showOutput(answer, map, output);
    }),
    inputPixel: newest(async () => {
      const { label, input } = state;
      const answer = await ask("input_pixel", { label, row: input[0], column: input[1] });
      view.column.show(answer, state.map, input);
    }),
    weight: newest(async () => {
      const { label, map, tap } = state;
      view.diagonal.show(await ask("filter_weight", { label, map, tap }), map, tap);
    }),
    /** Every step that was asked for is taken: none replaces another. */
    descend: inTurn(
      told(async (steps, rate) => {
        state.session ??= newSession();
        const { losses } = await ask("descend", { label: state.label, steps, rate });
        state.losses = [...(state.begun ? state.losses.slice(0, -1) : []), ...losses];
        state.begun = true;
        state.steps += steps;
        self.everything();
      }),
      busy,
    ),
    reset: inTurn(
      told(async () => {
        if (state.session) await post("reset", { session: state.session });
        state.session = null;
        state.steps = 0;
        state.begun = false;
        self.everything();
      }),
      busy,
    ),
  };
  return self;
}

function repaint(view, state) {
  if (state.forward) view.showForward(state);
  if (state.backward) view.showBackward(state);
}

/** Return which filter has the largest weight: its map shows most. */
function strongest(filters) {
  const sizes = filters.map(largest);
  return sizes.indexOf(Math.max(...sizes));
}

/** Return a name that no other page has: 16 random bytes. */
const newSession = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

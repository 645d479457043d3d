// When to ask: what the user does outruns what the server answers.

/**
 * Return a function that does `work` with its newest arguments. While `work` runs, calls
 * replace each other, and the last of them runs next; `busy(1)` and `busy(-1)` say when
 * it begins and ends.
 */
export function latest(work, busy) {
  let running = false;
  let waiting = null;
  return async (...given) => {
    waiting = given;
    if (running) return;
    running = true;
    busy(1);
    try {
      while (waiting) {
        const now = waiting;
        waiting = null;
        await work(...now);
      }
    } finally {
      running = false;
      waiting = null;
      busy(-1);
    }
  };
}

/** Return a function that does `work` for every call, one after the other. */
export function inTurn(work, busy) {
  let last = Promise.resolve();
  return (...given) => {
    busy(1);
    last = last.then(() => work(...given)).finally(() => busy(-1));
    return last;
  };
}

const PAUSE = 150; // milliseconds

/** Return a function that calls `work` once nobody has asked for it for a moment. */
export function afterPause(work, busy) {
  let timer = null;
  return () => {
    if (timer === null) busy(1);
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      work();
      busy(-1);
    }, PAUSE);
  };
}

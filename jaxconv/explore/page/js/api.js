// The server's JSON interface: one question, one answer.

const running = new Map(); // by name and asker: what ends the question asked before

/** Return what the page has to know before it asks. */
export const info = () => answered(fetch("api/info"));

/**
 * Ask `name`, and return the answer. A question of the same name, by the same asker, that
 * is still waiting is given up: its promise rejects with an AbortError. If the server
 * refuses, the promise rejects with its sentence.
 */
export async function post(name, body, asker = "") {
  const key = `${name} ${asker}`;
  running.get(key)?.abort();
  const control = new AbortController();
  running.set(key, control);
  const asked = fetch(`api/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: control.signal,
  });
  try {
    return await answered(asked);
  } finally {
    if (running.get(key) === control) running.delete(key);
  }
}

async function answered(asked) {
  const response = await asked.catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Show a sentence in the page's status line; "" clears it. */
export function say(sentence) {
  document.querySelector("#status").textContent = sentence;
}

/** Return a function that does `work` and shows why it failed, if it did. */
export const told = (work) => async (...given) => {
  try {
    const result = await work(...given);
    say("");
    return result;
  } catch (error) {
    if (error.name !== "AbortError") say(error.message);
  }
};

// Questions to the server. A problem is a sentence, as the server says it.

export class Problem extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("track view does not answer; is it still running?", 0);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) location.assign("/login");
  let words = `the server refused (${answer.status})`;
  try {
    words = (await answer.json()).problem ?? words;
  } catch {
    // no sentence
  }
  throw new Problem(words, answer.status);
}

export const json = async (path, options) => (await ask(path, options)).json();

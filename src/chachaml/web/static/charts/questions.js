// What a chart has to ask for, and which charts ask the same.

/** @typedef {import("./curves.js").Question} Question */
/** @typedef {import("./card.js").Card} Card */

/** Return how many places a chart of so many runs has. @param {number} width In the page's pixels. @param {number} runs */
export function placesFor(width, runs) {
  const pixels = width * Math.min(devicePixelRatio, 2);
  const share = runs <= 100 ? 1 : runs <= 300 ? 2 : 4;
  return Math.max(60, Math.min(2000, Math.round(pixels / share / 50) * 50));
}

/** Return what tells a question's answer from others', whichever runs and metrics it is for. @param {Question} question */
export function signOf({ x, buckets, log_x }) {
  return JSON.stringify([x, buckets, log_x]);
}

/** @param {[number, number]} window @param {string[]} runs */
export function detailOf(window, runs) {
  return JSON.stringify([window, runs]);
}

/**
 * Return questions, each for all cards that ask the same.
 * @param {Iterable<Card>} cards @param {(card: Card) => Question | null} questionOf null for none.
 */
export function byQuestion(cards, questionOf) {
  /** @type {Map<string, Question>} */
  const found = new Map();
  for (const card of cards) {
    const question = questionOf(card);
    if (!question) continue;
    const sign = JSON.stringify(question);
    if (!found.has(sign)) found.set(sign, { ...question, keys: [] });
    found.get(sign)?.keys.push(card.key);
  }
  return [...found.values()];
}

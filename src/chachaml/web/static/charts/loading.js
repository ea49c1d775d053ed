// Asking for what charts in view lack: together, no question twice, and none whose answer nobody waits for any more.

import { complain } from "../lib/told.js";
import { ask } from "./curves.js";

/** @typedef {import("./curves.js").Question} Question */
/** @typedef {import("./curves.js").Drawn} Drawn */

const PLACES = 1_500_000;

/** @typedef {{question: Question, sign: string, controller: AbortController}} Asked */

export class Loader {
  constructor() {
    /** @type {Set<Asked>} */
    this.asked = new Set();
  }

  /**
   * Ask, in so many questions that no answer is too large; what is being asked already is not asked again.
   * @param {Question} question Its keys may be none.
   * @param {(key: string, drawn: Drawn, question: Question) => void} take Gets each chart.
   * @returns {Promise<any>} Once all is answered, or given up.
   */
  load(question, take) {
    const { keys, ...rest } = question;
    const sign = JSON.stringify(rest);
    const busy = new Set([...this.asked].filter((one) => one.sign === sign).flatMap((one) => one.question.keys));
    const left = keys.filter((key) => !busy.has(key));
    const together = Math.max(1, Math.floor(PLACES / Math.max(1, rest.runs.length * rest.buckets)));
    const sent = [];
    for (let at = 0; at < left.length; at += together) sent.push(this.send({ ...rest, keys: left.slice(at, at + together) }, sign, take));
    return Promise.all(sent);
  }

  /** @param {Question} question @param {string} sign @param {(key: string, drawn: Drawn, question: Question) => void} take */
  async send(question, sign, take) {
    const one = { question, sign, controller: new AbortController() };
    this.asked.add(one);
    try {
      const found = await ask(question, one.controller.signal);
      for (const key of question.keys) take(key, found.get(key) ?? { exact: true, curves: new Map() }, question);
    } catch (error) {
      complain(error);
    } finally {
      this.asked.delete(one);
    }
  }

  /** Give up questions that are none any more. @param {(question: Question) => boolean} wanted */
  keep(wanted) {
    for (const one of this.asked) if (!wanted(one.question)) one.controller.abort();
  }
}

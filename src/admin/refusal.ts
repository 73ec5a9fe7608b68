import type { Problem } from './contract.js';

/** A problem is an ordinary answer of a handler where the request was right and the moment wrong. */
export class Refusal {
  constructor(readonly problem: Problem) {}
}

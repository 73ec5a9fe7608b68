import type { Strategy } from '../../model/index.js';

/** Contract section 5: flags of `switchyard demo`. */
export interface DemoOptions {
  readonly strategy: Strategy;
  readonly json: boolean;
  readonly seed: number;
  readonly writers: number;
  readonly readers: number;
  /** Writes per second that all writers together try for. */
  readonly rate: number;
  /** Rows put into the old network before the migration begins. */
  readonly rows: number;
  readonly blockMs: number;
  /** Leave everything running after the verdict. */
  readonly keep: boolean;
  /** `kill -9` the gateway this many times at random moments and start it again; 0 in the ordinary demo. */
  readonly kills: number;
}

export const demoDefaults: DemoOptions = {
  strategy: 'zero-downtime',
  json: false,
  seed: 1,
  writers: 32,
  readers: 16,
  rate: 90,
  rows: 500,
  blockMs: 200,
  keep: false,
  kills: 0,
};

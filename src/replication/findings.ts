import type { RelayValidatorStatus } from '../model/index.js';
import { DEFAULT_IDENTITY } from './identities.js';

/** A problem seen from outside, with its cure in words. */
export interface Finding {
  readonly id: string;
  readonly text: string;
  readonly cure: string;
}

/** What the requests of one validator say about its listener. */
export function findingsOf(validator: RelayValidatorStatus, finished: boolean): Finding[] {
  if (validator.health === 'silent') {
    return [
      {
        id: `listener-silent:${validator.name}`,
        text: `the listener of ${validator.name} has not asked for 30 s`,
        cure: 'start its kwild again: it asks for the height it stopped at, and the relay continues there',
      },
    ];
  }
  if (finished && validator.health === 'finished' && validator.name !== DEFAULT_IDENTITY.name) {
    return [
      {
        id: `still-depends:${validator.name}`,
        text: `${validator.name} has finished, but still needs this relay when it is started again`,
        cure: 'set migrations.enable = false and empty migrate_from in its configuration',
      },
    ];
  }
  return [];
}

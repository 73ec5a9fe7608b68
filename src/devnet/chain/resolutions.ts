import type { KeyType } from '../../protocol/index.js';

export interface Validator {
  readonly keyType: KeyType;
  /** Lower-case hex. */
  readonly key: string;
  readonly power: number;
}

export const voterOf = (key: string, keyType: KeyType): string => `${keyType}:${key}`;

export interface Resolution {
  readonly id: string;
  readonly type: string;
  readonly body: Uint8Array;
  /** Unix seconds. */
  readonly expiresAt: number;
  readonly proposer: string;
  readonly votes: ReadonlySet<string>;
}

interface ResolutionType {
  /** Needed share of all power, as a fraction. */
  readonly threshold: readonly [number, number];
  readonly lifeSeconds: number;
  /** May be proposed and decided again. */
  readonly repeatable: boolean;
}

const DAY = 24 * 3600;

/** In the order in which a node decides them at the end of a block. */
export const RESOLUTION_TYPES: ReadonlyMap<string, ResolutionType> = new Map([
  ['changeset_migration', { threshold: [2, 3], lifeSeconds: DAY, repeatable: false }],
  ['credit_account', { threshold: [2, 3], lifeSeconds: 3600, repeatable: false }],
  ['migration', { threshold: [2, 3], lifeSeconds: 7 * DAY, repeatable: false }],
  ['param_updates', { threshold: [1, 2], lifeSeconds: 7 * DAY, repeatable: false }],
  ['validator_join', { threshold: [2, 3], lifeSeconds: 7 * DAY, repeatable: true }],
  ['validator_remove', { threshold: [2, 3], lifeSeconds: 7 * DAY, repeatable: true }],
]);

/** Votes of the present validators for a resolution, in power. */
export function approvedPower(resolution: Resolution, validators: readonly Validator[]): number {
  let power = 0;
  for (const validator of validators) {
    if (resolution.votes.has(voterOf(validator.key, validator.keyType))) power += validator.power;
  }
  return power;
}

/** Power that a resolution of this type needs: the threshold share, rounded up. */
export function requiredPower(type: string, validators: readonly Validator[]): number {
  const [top, bottom] = RESOLUTION_TYPES.get(type)?.threshold ?? [2, 3];
  const total = validators.reduce((sum, validator) => sum + validator.power, 0);
  return Math.ceil((total * top) / bottom);
}

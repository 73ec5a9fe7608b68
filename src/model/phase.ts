/**
 * Named states of the cutover machine (design 7). Not Kwil's own migration status, which stays in protocol/.
 *
 * standby → syncing → ready → armed → holding → draining → verifying → committed → opening → switched → settled,
 * beside it aborting (back to syncing or ready), at-halt (old network reached End first) and blocked (needs a person).
 */
export const PHASES = [
  'standby',
  'syncing',
  'ready',
  'armed',
  'holding',
  'draining',
  'verifying',
  'committed',
  'opening',
  'switched',
  'settled',
  'aborting',
  'at-halt',
  'blocked',
] as const;

export type Phase = (typeof PHASES)[number];

/**
 * Named states of the other two strategies where the words above do not fit: rolling (some node's turn), stopping (the
 * operator stops the old leader), frozen (the old network stands at F), building (the new network starts from the snapshot),
 * verified (it was found equal).
 */
export const STRATEGY_PHASES = ['rolling', 'stopping', 'frozen', 'building', 'verified'] as const;

/** Whatever a gateway can be in. */
export type AnyPhase = Phase | (typeof STRATEGY_PHASES)[number];

/** How a network is moved. */
export type Strategy = 'zero-downtime' | 'rolling' | 'offline';

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

/** How a network is moved. */
export type Strategy = 'zero-downtime' | 'rolling' | 'offline';

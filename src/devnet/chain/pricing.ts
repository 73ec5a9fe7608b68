import type { Payload } from '../../protocol/index.js';

/** Prices with gas on (reference 4.9). */
export function priceOf(payload: Payload): bigint {
  switch (payload.kind) {
    case 'raw_statement':
      return 10_000_000_000_000n;
    case 'execute':
    case 'maa_exec':
      return 2_000_000_000_000_000n;
    case 'transfer':
      return 210_000n;
    case 'validator_join':
    case 'validator_approve':
    case 'validator_leave':
      return 10_000_000_000_000n;
    case 'validator_remove':
      return 100_000n;
    case 'validator_vote_ids':
      return 16_000n * BigInt(payload.ids.length);
    case 'validator_vote_bodies':
      return 1_000n * payload.events.reduce((sum, event) => sum + BigInt(event.body.length), 0n);
    case 'create_resolution':
      return 1_000n * BigInt(payload.event.body.length);
    case 'approve_resolution':
    case 'delete_resolution':
      return 16_000n;
  }
}

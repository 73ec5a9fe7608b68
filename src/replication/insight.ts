import type { Finding } from './findings.js';
import type { Losses } from './loss-watch.js';
import type { Strangers } from './old-blocks.js';

/** What people ask about the stream beside its status: problems with their cure, what was lost, who else writes. */
export interface Insight {
  readonly findings: readonly Finding[];
  readonly losses: Losses;
  readonly strangers: Strangers;
  readonly archive: { readonly first: number | null; readonly last: number | null; readonly bytes: number };
}

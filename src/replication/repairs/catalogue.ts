import { sendNullItemsAsText, tryEmptyArrays } from './arrays.js';
import type { ElementRepair } from './repair.js';
import { dropUpdatesWithoutChange, keepUnchangedLargeValues, padDeletes } from './rows.js';
import { dropEmptySpends } from './spends.js';
import { restoreQuotedNull, tryBothReadings, writeOutSmallNumerics } from './values.js';

/**
 * The closed list of rewrites. The order matters: values first, then what depends on them (a row without change shows only after
 * large values are marked unchanged; arrays become text only after their items are right), elements last.
 */
export const REPAIRS = [
  {
    name: 'toast-unchanged',
    reason: 'a large value that an update did not touch would become NULL',
    proof: 'the stream marks it "not sent" beside a complete old row; "unchanged" says the same and is applied right',
    apply: keepUnchangedLargeValues,
  },
  {
    name: 'noop-update',
    reason: 'an update that changes nothing would stop the new network (UPDATE without SET)',
    proof: 'no column changes, so leaving it out leaves the same rows',
    apply: dropUpdatesWithoutChange,
  },
  {
    name: 'small-numeric',
    reason: 'a number below 0.000001 would become 0',
    proof: 'the plain form has the same digits and scale',
    apply: writeOutSmallNumerics,
  },
  {
    name: 'quoted-null',
    reason: 'the text "NULL" with its quotes would lose them',
    proof: 'no other value gives these four bytes',
    apply: restoreQuotedNull,
  },
  {
    name: 'null-text',
    reason: 'a row that holds the text NULL would miss its updates and deletes',
    proof: 'a key has one row, so at most one of the readings finds it',
    apply: tryBothReadings,
  },
  {
    name: 'null-array-items',
    reason: 'a null item in numeric[] or uuid[] would end the nodes of the new network',
    proof: 'the database reads the array literal as the same value',
    apply: sendNullItemsAsText,
  },
  {
    name: 'empty-array',
    reason: 'a row that holds an empty text[] would miss its updates and deletes',
    proof: 'a key has one row, so at most one of the readings finds it',
    apply: tryEmptyArrays,
  },
  {
    name: 'unknown-account',
    reason: 'a spend of an account that is new since Start would stop the new network',
    proof: 'only amounts are applied, and a dropped spend has amount 0',
    apply: dropEmptySpends,
  },
  {
    name: 'delete-pad',
    reason: 'any deleted row would stop the new network',
    proof: 'what follows the last column is ignored',
    apply: padDeletes,
  },
  {
    name: 'big-height',
    reason: 'a height above 1,000,000 bytes would stop the new network',
    proof: 'the same bytes in one chunk',
    apply: null,
  },
  {
    name: 'empty-end',
    reason: 'an End without changes would stop the new network at its last step',
    proof: 'one byte is less than an element, which the node takes for the end',
    apply: null,
  },
] as const satisfies readonly Repair[];

export interface Repair {
  readonly name: string;
  /** What happens without it. */
  readonly reason: string;
  /** Why it means the same. */
  readonly proof: string;
  /** null: not a rewrite of elements but of how the whole is served. */
  readonly apply: ElementRepair | null;
}

export type RepairName = (typeof REPAIRS)[number]['name'];
export const REPAIR_NAMES: readonly RepairName[] = REPAIRS.map(repair => repair.name);

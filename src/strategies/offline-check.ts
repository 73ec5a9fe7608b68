import type { Height } from '../model/index.js';
import type { Export, Freeze, NetworkParameters, TableDigest, ValidatorKey } from './offline.js';
import { finding, type Finding } from './rolling-plan.js';

/** What one node of the new network says of itself; null where it did not answer. */
export interface NewNodeFacts {
  readonly node: string;
  readonly chainId: string | null;
  readonly height: Height | null;
  /** `chain.genesis`. */
  readonly stateHash: string | null;
  /** Header of the first block: `prev_app_hash` repeats the genesis file, `prev_hash` is zero. */
  readonly first: {
    readonly height: Height;
    readonly prevAppHash: string;
    readonly prevHash: string;
    readonly appHash: string;
  } | null;
  /** Blocks that came while it was looked at. */
  readonly newBlocks: number;
  /** Transactions in its blocks so far: nobody may have written yet. */
  readonly transactions: number | null;
  readonly error: string | null;
}

/** Rows of one new node against the old network (or against the digests noted at F, when no old node answers any more). */
export interface DataFacts {
  readonly node: string;
  readonly against: 'old network' | 'digests of F';
  readonly equal: boolean;
  readonly tables: number;
  readonly rows: number;
  /** Differing keys, schemas and what could not be compared, in words; the first ones. */
  readonly differences: readonly string[];
  readonly differing: number;
}

export interface NetworkFacts {
  readonly params: NetworkParameters | null;
  readonly validators: readonly ValidatorKey[];
  readonly proposals: readonly string[] | null;
  /** Accounts that are not as they were at F, in words. */
  readonly accounts: {
    readonly compared: number;
    readonly count: number | null;
    readonly differing: readonly string[];
  };
}

const WANTED_BLOCKS = 3;

export function judgeNode(facts: NewNodeFacts, files: Export): readonly Finding[] {
  const { node, first } = facts;
  const id = (what: string): string => `${node} ${what}`;
  if (facts.height === null)
    return [
      finding(
        id('answers'),
        false,
        facts.error ?? 'no answer',
        'an answer',
        'a node that restores answers nothing yet; one that ended says why in its log (snapshot file not provided, invalid snapshot hash)',
      ),
    ];
  return [
    finding(
      id('chain'),
      facts.chainId === files.chainId,
      facts.chainId ?? 'not told',
      files.chainId,
      'it runs another genesis file: re-create its database and set it up with the checked files',
    ),
    finding(
      id('state hash'),
      facts.stateHash === files.stateHash,
      facts.stateHash ?? 'none',
      files.stateHash,
      'it was given another snapshot: re-create its database and set it up with the checked files. A retry on the same database is not verified by the node',
    ),
    finding(
      id('first block'),
      first !== null &&
        first.height === files.initialHeight + 1 &&
        first.prevAppHash === files.stateHash &&
        /^0*$/.test(first.prevHash),
      first === null ? `height ${facts.height}, no block yet` : `block ${first.height} on ${first.prevAppHash}`,
      `block ${files.initialHeight + 1} on ${files.stateHash}`,
      'no first block: initial height of 100 or more, no majority of validators, or nodes with different files',
    ),
    finding(
      id('blocks'),
      facts.newBlocks >= WANTED_BLOCKS,
      `${facts.newBlocks} while looking, height ${facts.height}`,
      `${WANTED_BLOCKS} more blocks`,
      'its blocks do not come: is the leader up, is there a majority, did it end meanwhile?',
    ),
    finding(
      id('untouched'),
      facts.transactions === 0 ? true : facts.transactions === null ? 'warn' : false,
      facts.transactions === null ? 'could not be counted' : `${facts.transactions} transactions`,
      'no transaction yet',
      'somebody writes to the new network already, past this gateway: close its RPC, start it again from the files',
    ),
  ];
}

/** Same first block on every node. */
export function judgeTogether(nodes: readonly NewNodeFacts[]): Finding {
  const hashes = new Map<string, string[]>();
  for (const { node, first } of nodes) {
    if (first === null) continue;
    hashes.set(first.appHash, [...(hashes.get(first.appHash) ?? []), node]);
  }
  const groups = [...hashes.values()];
  return finding(
    'new nodes agree',
    groups.length === 1,
    groups.length === 0 ? 'no first block' : groups.map(names => names.join(' and ')).join(' against '),
    'one app hash of the first block',
    'nodes with another snapshot end by themselves within seconds: give every operator the same two files',
  );
}

export function judgeData({ node, against, equal, tables, rows, differences, differing }: DataFacts): Finding {
  return finding(
    `${node} data`,
    equal,
    equal
      ? `${rows} rows of ${tables} tables equal (${against})`
      : `${differing} differences: ${differences.join('; ')}`,
    'every row of every table equal',
    'its data are not the old network’s, whatever its state hash says (a second start is not verified): re-create its database and set it up again',
  );
}

export function judgeNetwork(facts: NetworkFacts, freeze: Freeze): readonly Finding[] {
  const { params } = facts;
  const wanted = freeze.params;
  const list = (validators: readonly ValidatorKey[]): string =>
    validators
      .map(({ key, power }) => `${key}=${power}`)
      .sort()
      .join(', ');
  const differing = params === null ? ['nobody tells them'] : differences(params, wanted);
  return [
    finding(
      'parameters',
      differing.length === 0,
      differing.join('; ') || 'equal',
      'those of the old network',
      'correct genesis.json (see `offline export`) and start again from empty databases',
    ),
    finding(
      'validators',
      list(facts.validators) === list(freeze.validators),
      list(facts.validators) || 'nobody tells them',
      list(freeze.validators),
      'the new network has another set of validators',
    ),
    finding(
      'proposals',
      facts.proposals === null ? 'warn' : facts.proposals.join() === freeze.proposals.join(),
      facts.proposals === null ? 'nobody tells them' : `${facts.proposals.length} pending`,
      `${freeze.proposals.length} pending`,
      'a pending proposal to change parameters was decided or lost (with one validator it is decided in the first block)',
    ),
    finding(
      'accounts',
      facts.accounts.differing.length === 0 &&
        (freeze.accounts.count === null || facts.accounts.count === freeze.accounts.count),
      facts.accounts.differing.length === 0
        ? `${facts.accounts.compared} compared, ${facts.accounts.count ?? 'unknown'} in all`
        : facts.accounts.differing.slice(0, 5).join('; '),
      `${freeze.accounts.count ?? 'unknown'} in all, with the nonces and balances of height ${freeze.height}`,
      'nonces or balances differ: writes would be refused or doubled. Is an "alloc" in the genesis file?',
    ),
  ];
}

function differences(found: NetworkParameters, wanted: NetworkParameters): string[] {
  return (Object.keys(wanted) as (keyof NetworkParameters)[])
    .filter(name => found[name] !== wanted[name])
    .map(name => `${name} is ${String(found[name])}, was ${String(wanted[name])}`);
}

/** Digests of the new network against those noted at F, for when no old node answers any more. */
export function compareDigests(node: string, found: readonly TableDigest[], wanted: readonly TableDigest[]): DataFacts {
  const now = new Map(found.map(digest => [digest.table, digest]));
  const lines: string[] = [];
  for (const { table, rows, sha256 } of wanted) {
    const digest = now.get(table);
    if (digest === undefined) lines.push(`${table} is missing`);
    else if (digest.sha256 !== sha256) lines.push(`${table} has ${digest.rows} rows (was ${rows}) or other values`);
    now.delete(table);
  }
  for (const table of now.keys()) lines.push(`${table} was not there`);
  return {
    node,
    against: 'digests of F',
    equal: lines.length === 0,
    tables: wanted.length,
    rows: wanted.reduce((sum, { rows }) => sum + rows, 0),
    differences: lines.slice(0, 5),
    differing: lines.length,
  };
}

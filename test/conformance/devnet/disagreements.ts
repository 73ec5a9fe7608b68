/*
 * Every recorded exchange that the devnet answers differently, with the reason. A test fails when an exchange differs
 * that is not here, or elsewhere in its answer than said here, and when one that is here agrees.
 */

export interface Disagreement {
  /** Recording (a file of test/golden/rpc) and zero-based lines. */
  readonly where: Readonly<Record<string, readonly number[]>>;
  /** `shape`: status, header, code, member or type. `value`: only what they hold. */
  readonly kind: 'shape' | 'value';
  /** Where the answers may differ. */
  readonly path: RegExp;
  readonly differs: string;
  readonly why: string;
}

/** Recordings of all methods in one state; their requests stand in the same lines but for two files below. */
const STATES = [
  'state-old-seeded',
  'state-old-activation',
  'state-old-in-progress',
  'state-old-near-end',
  'state-old-completed',
  'state-new-genesis-migration',
  'state-new-after-end',
  'state-old3-activation',
];

const inAll = (files: readonly string[], lines: readonly number[]): Record<string, readonly number[]> =>
  Object.fromEntries(files.map(file => [file, lines]));

export const DISAGREEMENTS: readonly Disagreement[] = [
  {
    where: {
      ...inAll(STATES, [61, 62, 63, 64]),
      'state-old-fresh': [53, 55, 56],
      'state-new-before-first-block': [53, 54, 55, 56],
    },
    kind: 'value',
    path: /^result\.values \(rows of extensions\)$/,
    differs: 'info.namespaces, info.actions, info.tables, info.columns lack the rows of two built-in namespaces',
    why: 'the ERC-20 bridge (kwil_erc20_meta) and its ordered sync (kwil_ordered_sync) are not part of the devnet',
  },
  {
    where: { 'state-old-fresh': [54] },
    kind: 'shape',
    path: /^result\.(column_names|column_types|values)$/,
    differs: 'info.actions of a fresh network is empty, and an empty result shows null for all three members',
    why: 'the only actions of a fresh network are those of the ERC-20 bridge, which is not part of the devnet',
  },
  {
    where: inAll(['state-new-genesis-migration', 'state-new-after-end', 'state-old3-activation'], [19]),
    kind: 'shape',
    path: /^result\.components\.schemas\.signature\.properties\./,
    differs: 'rpc.discover: the members of the schema called signature',
    why: 'two types of the node share that name and each process shows one of them; most recorded ones show what ours does',
  },
  {
    where: { 'rolling-fork': [23] },
    kind: 'value',
    path: /^result\.values\.0\.1$/,
    differs: 'the row that was changed behind the back of one node',
    why: 'nodes of a devnet network share one database: a node whose state differs is told so by a fault, and ends like the real one',
  },
];

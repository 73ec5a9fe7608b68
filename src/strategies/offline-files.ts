import type { Freeze } from './offline.js';
import { finding, type Finding } from './rolling-plan.js';

/** What was read from the operator's two files. */
export interface ExportedFiles {
  /** SHA-256 of the uncompressed SQL, hex. */
  readonly snapshotHash: string;
  /** Uncompressed size. */
  readonly snapshotBytes: number;
  /** From the command's output or the statement at the end of the snapshot; null when neither tells. */
  readonly snapshotHeight: number | null;
  /** The gzip stream ended as it should. */
  readonly complete: boolean;
  readonly genesis: Readonly<Record<string, unknown>>;
}

/** What `kwild snapshot create` writes for every network; nobody's own. */
const DEFAULT_CHAIN_ID = 'kwil-testnet';
/** From here on a network with several validators never makes its first block. */
const FAR_INITIAL_HEIGHT = 100;

const FIELDS = new Set([
  'chain_id',
  'initial_height',
  'db_owner',
  'leader',
  'validators',
  'state_hash',
  'alloc',
  'migration',
  'max_block_size',
  'join_expiry',
  'disabled_gas_costs',
  'max_votes_per_tx',
  'maa_activation_height',
]);

/** Checks both files against what the old network was at F. Every finding says exactly what to correct. */
export function judgeFiles(
  { snapshotHash, snapshotBytes, snapshotHeight, complete, genesis }: ExportedFiles,
  freeze: Freeze,
  chains: { readonly old: string; readonly new: string | null },
): readonly Finding[] {
  const { params } = freeze;
  const text = (name: string): string => shown(genesis[name]);
  const initialHeight = genesis['initial_height'] ?? 0;
  const validators = validatorsOf(genesis['validators']);
  const wantedValidators = freeze.validators.map(({ key, power }) => `${key}=${power}`).sort();
  const chainId = genesis['chain_id'];
  const wantedChain = chains.new ?? 'an id of its own';
  const unknown = Object.keys(genesis).filter(name => !FIELDS.has(name));
  const alloc = genesis['alloc'];
  const migration = genesis['migration'] as { start_height?: unknown; end_height?: unknown } | undefined;
  const equal = (id: string, field: string, value: string, wanted: string): Finding =>
    finding(id, value === wanted, value, wanted, `set "${field}": ${wanted} in genesis.json`);
  return [
    finding(
      'snapshot-complete',
      complete && snapshotBytes > 0,
      complete ? `${snapshotBytes} bytes of SQL` : `the file ends after ${snapshotBytes} bytes of SQL`,
      'a whole gzip file',
      'the snapshot is cut: copy it again, and compare its size with the original',
    ),
    finding(
      'snapshot-height',
      snapshotHeight === freeze.height,
      snapshotHeight === null ? 'the file does not tell' : String(snapshotHeight),
      String(freeze.height),
      snapshotHeight === null
        ? 'give the "height" that `kwild snapshot create` printed: --height N'
        : 'it was taken at another height: take it again while the old network stands still',
    ),
    finding(
      'state-hash',
      genesis['state_hash'] === snapshotHash,
      text('state_hash'),
      snapshotHash,
      'the genesis file belongs to another snapshot, or the snapshot was changed: use the pair of one `kwild snapshot create`',
    ),
    finding(
      'chain-id',
      typeof chainId === 'string' &&
        chainId !== DEFAULT_CHAIN_ID &&
        chainId !== chains.old &&
        (chains.new === null || chainId === chains.new),
      text('chain_id'),
      wantedChain,
      chainId === chains.old
        ? 'the old id would make transactions that were signed for the old network valid on the new one: set "chain_id" to an id of its own'
        : `set "chain_id": "${wantedChain}" in genesis.json (${DEFAULT_CHAIN_ID} is what the command always writes)`,
    ),
    finding(
      'initial-height',
      initialHeight === 0 || (typeof initialHeight === 'number' && initialHeight < FAR_INITIAL_HEIGHT && 'warn'),
      shown(initialHeight),
      '0',
      `set "initial_height": 0; with ${FAR_INITIAL_HEIGHT} or more and several validators the new network never makes a block, heights cannot be continued`,
    ),
    finding(
      'gas',
      genesis['disabled_gas_costs'] === params.disabledGasCosts,
      text('disabled_gas_costs'),
      String(params.disabledGasCosts),
      `set "disabled_gas_costs": ${params.disabledGasCosts}; the old network has gas ${params.disabledGasCosts ? 'off' : 'ON, and the command always writes it off'}`,
    ),
    equal('max-block-size', 'max_block_size', text('max_block_size'), String(params.maxBlockSize)),
    finding(
      'join-expiry',
      sameDuration(genesis['join_expiry'], params.joinExpiry),
      text('join_expiry'),
      params.joinExpiry,
      `set "join_expiry": "${params.joinExpiry}" in genesis.json`,
    ),
    equal('max-votes', 'max_votes_per_tx', text('max_votes_per_tx'), String(params.maxVotesPerTx)),
    equal('leader', 'leader', keyOf(genesis['leader']), params.leader),
    finding(
      'validators',
      validators.join() === wantedValidators.join(),
      validators.join(', ') || 'none',
      wantedValidators.join(', '),
      'the validators differ from the old network’s: intended? then the new network starts with another set',
    ),
    finding(
      'alloc',
      !Array.isArray(alloc) || alloc.length === 0,
      Array.isArray(alloc) ? `${alloc.length} entries` : 'none',
      'none',
      'remove "alloc": the snapshot has all balances, an allocation would be added on top',
    ),
    finding(
      'migration',
      !migration?.start_height && !migration?.end_height,
      migration === undefined ? 'none' : shown(migration),
      'none',
      'remove "migration": the new network would wait for changesets',
    ),
    finding(
      'fields',
      unknown.length === 0,
      unknown.length === 0 ? 'all known' : unknown.join(', '),
      'known fields only',
      'nodes refuse a genesis file with fields they do not know: remove them',
    ),
  ];
}

const shown = (value: unknown): string =>
  value === undefined ? 'absent' : typeof value === 'string' ? value : JSON.stringify(value);

/** `type:key` of `{"type","key"}`. */
export function keyOf(value: unknown): string {
  const { type, key } = (value ?? {}) as { type?: unknown; key?: unknown };
  return typeof type === 'string' && typeof key === 'string' ? `${type}:${key.toLowerCase()}` : 'absent';
}

function validatorsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[])
    .map(one => {
      const { pubkey, type, power } = (one ?? {}) as { pubkey?: unknown; type?: unknown; power?: unknown };
      return `${String(type)}:${String(pubkey).toLowerCase()}=${String(power)}`;
    })
    .sort();
}

/** `168h0m0s` and `168h` are the same; Go writes the long form. */
function sameDuration(value: unknown, wanted: string): boolean {
  const a = typeof value === 'string' ? secondsOf(value) : null;
  return a !== null && a === secondsOf(wanted);
}

const UNITS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };

function secondsOf(text: string): number | null {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return null;
  let seconds = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(h|ms|m|s)/g)) seconds += Number(amount) * UNITS[unit!]!;
  return seconds;
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { encodePayload, encodeTxJson, signTx } from '../../../protocol/index.js';
import type { NetworkHandle } from '../../devnet.js';
import { freePorts } from '../gateway-process.js';
import { judge } from '../verdict/index.js';
import { createNodeClient } from '../verdict/node-client.js';
import { longestSilence, readAttempts, refusalsByReason } from './attempts.js';
import { buildStrategyResult, type StrategyResult } from './result.js';
import { heldWrites } from './rolling.js';
import {
  expectExit,
  pause,
  startClients,
  startGateway,
  startOld,
  until,
  warmUp,
  watchStatus,
  type Load,
  type Stage,
} from './stage.js';

const NODES = 3;
const AFTER_MS = 4_000;
const ETA_S = 30;

interface OfflineStatus {
  readonly step: string;
  readonly waitingFor: string | null;
  readonly freeze: { readonly height: number } | null;
  readonly check: { readonly rows: number; readonly differences: number } | null;
}

interface Finding {
  readonly id: string;
  readonly verdict: string;
  readonly value: string;
}

/** Stop writes, freeze, start a new network from the snapshot, compare everything, open; clients keep their URL. */
export async function tellOffline(stage: Stage): Promise<StrategyResult> {
  const { options, screen, recordFile, problems, devnet } = stage;
  const startedAt = performance.now();
  const old = await startOld(stage, NODES, false);
  const newChainId = `demo-new-${options.seed}`;
  const ports = await freePorts(NODES);
  const gateway = await startGateway(
    stage,
    {
      old: { chainId: old.chainId, urls: old.urls },
      new: { chainId: newChainId, urls: ports.map(port => `http://127.0.0.1:${port}`) },
    },
    { strategy: 'offline', leader: 'old-1' },
  );
  let load: Load | null = null;
  watchStatus(stage, gateway, () => load);
  const loadStarted = performance.now();
  load = startClients(stage, gateway.url, old.chainId);
  await warmUp(stage, load);
  const step = (wanted: string): Promise<OfflineStatus> =>
    until<OfflineStatus>(stage, gateway, '/v1/offline/status', ({ step: now }) => now === wanted, `step ${wanted}`);

  const closedAt = Date.now();
  await expectExit(stage, gateway, ['offline', 'start', '--eta', `${ETA_S}s`, '--yes'], 0);
  await step('stopping');
  screen.say('old network is empty; the operator stops its leader');
  await old.nodes[0]!.stop();
  const frozen = await step('frozen');
  screen.say(`old network frozen at height ${frozen.freeze!.height}`);
  const retryAfterMs = await refusedWrite(gateway.url, old, problems);

  const { height, sql, hash } = await old.exportState();
  const snapshot = join(stage.folder, 'snapshot.sql.gz');
  await writeFile(snapshot, await promisify(gzip)(sql));
  const genesis = join(stage.folder, 'genesis.json');
  const written = await genesisAsWritten(old, hash);
  const files = ['offline', 'export', '--snapshot', snapshot, '--genesis', genesis, '--height', String(height)];
  await writeFile(genesis, JSON.stringify(written, null, 2));
  const first = await expectExit<{ findings: readonly Finding[] }>(stage, gateway, files, 2);
  const firstExport = first.findings.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
  screen.say(`the files as written are not right: ${firstExport.join(', ')}`);
  await writeFile(genesis, JSON.stringify({ ...written, chain_id: newChainId }, null, 2));
  await expectExit(stage, gateway, files, 0);
  screen.say('snapshot and genesis file are right');

  const fresh = devnet.createNetwork({
    name: 'new',
    chainId: newChainId,
    nodes: NODES,
    blockMs: options.blockMs,
    // The same node keys: validators and leader come over with the genesis file.
    seed: options.seed,
    keysOf: 'old',
    ports,
    genesisState: sql,
    stateHash: hash,
  });
  await fresh.start();
  await expectExit(stage, gateway, ['offline', 'check'], 0);
  const checked = await gateway.admin<OfflineStatus>('GET', '/v1/offline/status');
  screen.say(`new network ${newChainId} found equal: ${checked.check?.rows} rows`);
  await expectExit(stage, gateway, ['offline', 'open', '--yes'], 0);
  await step('switched');
  const openedAt = Date.now();
  screen.say('open: writes and reads go to the new network');
  await pause(stage, AFTER_MS);

  const [writers, readers] = await Promise.all([load.writers.stop(), load.readers.stop()]);
  const loadMs = performance.now() - loadStarted;
  screen.say(`load ended: ${writers.acknowledged} writes acknowledged, ${readers.total} reads`);
  await fresh.waitForHeight(fresh.height() + 1);
  const verdict = await judge({
    oldUrl: old.urls[1]!,
    newUrl: fresh.urls[0]!,
    oldChainId: old.chainId,
    oldHead: old.height(),
    newFirst: 1,
    newHead: fresh.height(),
    seedRows: options.rows,
    recordFile,
    ownOperations: [],
  });
  if (old.height() !== frozen.freeze!.height) problems.push(`the old network went on to ${old.height()}`);
  const attempts = await readAttempts(recordFile);
  const refusals = refusalsByReason(attempts);
  const bare = Object.keys(refusals).filter(reason => !KNOWN_REASONS.has(reason));
  if (bare.length > 0) problems.push(`writes were turned away without one of our reasons: ${bare.join('; ')}`);
  return buildStrategyResult({
    strategy: 'offline',
    options,
    oldChainId: old.chainId,
    newChainId,
    endHeight: frozen.freeze!.height,
    verdict,
    writers,
    readers,
    loadMs,
    outageMs: longestSilence(attempts, { from: closedAt, to: openedAt }),
    heldWrites: await heldWrites(gateway),
    durationMs: performance.now() - startedAt,
    problems,
    more: {
      offline: {
        frozenAt: frozen.freeze!.height,
        refusals,
        firstExport,
        verifiedRows: checked.check?.rows ?? 0,
        retryAfterMs,
      },
    },
  });
}

/** Words that tell a client what to do; anything else came from a node or from nowhere. */
const KNOWN_REASONS: ReadonlySet<string> = new Set(['halted', 'hold_expired', 'chain_switched', 'hold_full']);

/** genesis.json of `kwild snapshot create`: validators, leader and hash from the database, the rest defaults. */
async function genesisAsWritten(old: NetworkHandle, hash: string): Promise<Record<string, unknown>> {
  const node = createNodeClient(old.urls[1]!);
  const [{ validators }, { leader }] = await Promise.all([
    node.call<{ validators: unknown[] }>('chain.validators', {}),
    node.call<{ leader: unknown }>('chain.consensus_params', {}),
  ]);
  return {
    chain_id: 'kwil-testnet',
    initial_height: 0,
    db_owner: old.owner,
    leader,
    validators,
    state_hash: hash,
    max_block_size: 6291456,
    join_expiry: '168h0m0s',
    disabled_gas_costs: true,
    max_votes_per_tx: 200,
  };
}

/** A write while the network is frozen: it must be told why and when to come back. */
async function refusedWrite(url: string, old: NetworkHandle, problems: string[]): Promise<number | null> {
  const tx = signTx(
    {
      desc: '',
      payload: encodePayload({ kind: 'raw_statement', statement: 'SELECT 1;', params: [] }),
      type: 'raw_statement',
      fee: 0n,
      nonce: 1n,
      chainId: old.chainId,
    },
    old.ownerSigner,
  );
  const body = `{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":${encodeTxJson(tx)},"sync":0}}`;
  const answer = await fetch(`${url}/rpc/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const { error } = (await answer.json()) as {
    error?: { data?: { reason?: string; retryAfterMs?: number; executed?: string } };
  };
  const data = error?.data;
  if (data?.reason === undefined || data.executed !== 'no' || typeof data.retryAfterMs !== 'number') {
    problems.push(`a write while frozen was not told reason and time: ${JSON.stringify(data)}`);
    return null;
  }
  return data.retryAfterMs;
}

import type { AdminPorts } from '../admin/index.js';
import type { HeldWrites, Report, TxView } from '../admin/contract.js';
import type { Config, ConfigChange } from '../config/index.js';
import type { Gateway, GatewayPlatform, Rooms } from '../gateway.js';
import { offlinePorts, upgradePorts } from './strategy-views.js';
import { GatewayError, type NodeRef } from '../model/index.js';
import type { TxSighting } from '../proxy/index.js';

export interface AdminInputs {
  readonly reconfigure: (after: Config) => readonly ConfigChange[];
  readonly platform: GatewayPlatform;
  readonly status: Gateway['status'];
  readonly started: () => boolean;
  readonly closing: () => boolean;
}

/** What operators may see and do, in the words of the rooms that know it. */
export function adminPorts(rooms: Rooms, inputs: AdminInputs): AdminPorts {
  const { nodes, control, proxy, replication, verifier } = rooms;
  const { platform, started, closing } = inputs;

  let lastVerification: Report['verification'] = null;
  const exists = ({ network, name }: NodeRef): boolean =>
    nodes.view(network)?.nodes.some(node => node.name === name) ?? false;

  return {
    clock: platform.clock,
    logger: platform.logger,
    metrics: platform.metrics.registry,
    status: inputs.status,
    started,
    ready() {
      const reasons = [
        ...(started() ? [] : ['still starting']),
        ...(closing() ? ['shutting down'] : []),
        ...(started() && !hasUsableNode(rooms) ? [`no usable node of the ${control.intent().reads} network`] : []),
        ...(started() && control.status().journalFault !== null ? ['the journal cannot be written'] : []),
      ];
      return { ready: reasons.length === 0, reasons };
    },

    preflight: signal => control.preflight(signal),
    command: request => control.command(request),
    history: () => control.history(),
    audit: () => control.audit(),

    changeset: height => Promise.resolve(changesetView(rooms, height)),
    decide: async (height, prefix) => {
      const versions = replication.difference()?.versions.filter(({ sha256 }) => sha256.startsWith(prefix)) ?? [];
      const [chosen] = [...new Set(versions.map(({ sha256 }) => sha256))];
      return chosen !== undefined && (await replication.decide(height, chosen)) ? chosen : undefined;
    },
    insight: () => replication.insight(),
    repairs: () =>
      replication.repairs().map(({ name, state, count, reason }) => ({ repair: name, setting: state, count, reason })),
    relayUrls: () => {
      // Before the relay listens there are no URLs, which must not look like an answer.
      if (!started()) throw new GatewayError('still_starting', 'control', 'the gateway is still starting; ask again');
      return replication.relayUrls();
    },
    relayPlan: (from, to) =>
      replication.plan(from ?? 0, to ?? Number.MAX_SAFE_INTEGER).map(record => ({
        askedHeight: record.asked,
        // A record without cargo ends before it begins.
        from: record.to < record.from ? null : record.from,
        to: record.to < record.from ? null : record.to,
        bytes: record.bytes,
        sha256: record.sha256,
        at: new Date(record.at).toISOString(),
      })),
    verify: async (what, progress, signal) => {
      const report = await verifier.verify(what, progress, signal);
      const isWhole = what.namespace === undefined && what.table === undefined;
      if (isWhole) lastVerification = { at: new Date(platform.clock.now()).toISOString(), report };
      return report;
    },
    lastVerification: () => lastVerification,
    heldWrites: () => heldWrites(rooms),

    drainNode: node => (exists(node) ? nodes.drain(node) : undefined),
    resumeNode: node => (exists(node) ? nodes.resume(node) : undefined),

    ...(rooms.rolling === null ? {} : { upgrade: upgradePorts(rooms.rolling) }),
    ...(rooms.offline === null ? {} : { offline: offlinePorts(rooms.offline) }),

    tx: async hash => txView(hash, await proxy.txStatus(hash)),
    explain: request => Promise.resolve(proxy.explain(request)),
    ...(platform.reload === undefined
      ? {}
      : {
          reload: async () => {
            const changes = inputs.reconfigure(await platform.reload!());
            const late = changes.filter(({ needsRestart }) => needsRestart).length;
            const message =
              changes.length === 0
                ? 'nothing has changed'
                : `${changes.length - late} settings changed` + (late > 0 ? `, ${late} more need a restart` : '');
            return { changes, message };
          },
        }),
  };
}

function hasUsableNode({ control, nodes }: Rooms): boolean {
  const view = nodes.view(control.intent().reads);
  return view?.nodes.some(({ state }) => state === 'up' || state === 'lagging') ?? false;
}

function changesetView({ replication }: Rooms, height: number) {
  const shown = replication.show(height);
  if (shown === null) return undefined;
  const carrier = replication.plan(0, Number.MAX_SAFE_INTEGER).find(({ from, to }) => from <= height && height <= to);
  return {
    height,
    bytes: shown.bytes,
    rows: shown.elements.filter(({ kind }) => kind === 'insert' || kind === 'update' || kind === 'delete').length,
    sha256: shown.sha256,
    source: shown.source,
    archivedAt: shown.archivedAt,
    askedHeight: carrier?.asked ?? null,
    elements: shown.elements.map(({ kind, ...rest }) => ({ kind, text: JSON.stringify(rest) })),
    repairs: [
      ...Object.entries(shown.repairs).map(([repair, count]) => ({ repair, text: `${count} times` })),
      ...shown.losses.map(({ table, column, key, state, text }) => ({
        repair: state === 'lost' ? 'none (lost)' : 'none (may be lost)',
        text: `${table}.${column} ${JSON.stringify(key)}${text === null ? '' : ` is ${text} on the old network`}`,
      })),
    ],
  };
}

/** What became of each held write: how its wait ended, and where its transaction is now by the ledger. */
function heldWrites({ proxy, ledger }: Rooms): Omit<HeldWrites, 'since'> {
  const { counts, fates, forgotten } = proxy.heldWrites();
  return {
    ...counts,
    waiting: proxy.held().count,
    forgotten,
    writes: fates.map(({ at, ...fate }) => {
      const record = ledger.get(fate.hash);
      return {
        ...fate,
        at: new Date(at).toISOString(),
        state: record?.state ?? null,
        height: record?.height ?? null,
      };
    }),
  };
}

type TxStatus = Awaited<ReturnType<Rooms['proxy']['txStatus']>>;

/** Where a transaction is: a block beats a mempool, a mempool beats our own record, our record beats silence. */
function txView(hash: string, { record, old, new: fresh }: TxStatus): TxView {
  const sightings = [old, ...(fresh === null ? [] : [fresh])];
  const mined = sightings.find((one): one is Extract<TxSighting, { kind: 'mined' }> => one.kind === 'mined');
  const pooled = sightings.find((one): one is Extract<TxSighting, { kind: 'pooled' }> => one.kind === 'pooled');
  const common = {
    hash,
    network: mined?.node.network ?? pooled?.node.network ?? record?.network ?? null,
    height: mined?.height ?? record?.height ?? null,
    code: mined?.code ?? record?.code ?? null,
    log: mined === undefined || mined.log === '' ? null : mined.log,
    node: record?.node ?? mined?.node.name ?? pooled?.node.name ?? null,
    admittedAt: record === null ? null : new Date(record.at).toISOString(),
  };
  if (mined !== undefined) {
    const result = mined.code === 0 ? 'succeeded' : `failed with code ${mined.code}`;
    return {
      ...common,
      state: 'mined',
      explanation: `in block ${mined.height} of the ${mined.node.network} network, ${result}`,
    };
  }
  if (pooled !== undefined) {
    return {
      ...common,
      state: 'pending',
      explanation: `waits for a block in the mempool of ${pooled.node.network}/${pooled.node.name}`,
    };
  }
  if (record !== null) return { ...common, ...ownRecord(record.state) };
  if (sightings.some(({ kind }) => kind === 'silent')) {
    return {
      ...common,
      state: 'unknown',
      explanation: 'not every network could be asked, and it did not come through this gateway',
    };
  }
  return {
    ...common,
    state: 'not-found',
    explanation: 'no network knows it, and it did not come through this gateway',
  };
}

function ownRecord(state: NonNullable<TxStatus['record']>['state']): Pick<TxView, 'state' | 'explanation'> {
  switch (state) {
    case 'mined':
      return {
        state: 'mined',
        explanation: 'it was in a block when this gateway last looked; no node that answers now has that block',
      };
    case 'rejected':
      return { state: 'rejected', explanation: 'a node refused it; it is in no block' };
    case 'dead':
      return { state: 'dead', explanation: 'it can never be in a block any more' };
    case 'sending':
    case 'accepted':
    case 'unknown':
      return { state: 'pending', explanation: 'this gateway has it and follows it up; no node shows it at the moment' };
  }
}

import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAdmin, type Admin } from './admin/index.js';
import { configChanges, type Config, type ConfigChange } from './config/index.js';
import type { Control } from './control/index.js';
import { adminPorts } from './gateway/admin.js';
import { proxyOptions } from './gateway/proxy.js';
import { createDecider, type Decider, type DeciderInputs } from './gateway/strategies.js';
import { createSnapshotSource, gatewayStatus, migrationPublic, type SnapshotSource } from './gateway/view.js';
import { GatewayError, messageOf, type GatewayStatus, type NetworkName } from './model/index.js';
import { createNodes, type Nodes } from './nodes/index.js';
import { lockFolder, sleep, writeFileAtomic, type Clock, type FolderLock } from './platform/index.js';
import { createProxy, type Proxy, type ProxyPorts } from './proxy/index.js';
import {
  createRecentVerifier,
  createReplication,
  createVerifier,
  type RecentVerifier,
  type Replication,
  type Verifier,
} from './replication/index.js';
import {
  createAnswerStore,
  createChangesetArchive,
  createLedger,
  openJournal,
  type AnswerStore,
  type ChangesetArchive,
  type Journal,
  type JournalFile,
  type Ledger,
} from './storage/index.js';
import type { Logger, Metrics } from './telemetry/index.js';
import { createUpkeep, type Upkeep } from './gateway/upkeep.js';

export interface GatewayPlatform {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly version: string;
  /** The process cannot go on safely; a restart replays the journal. */
  readonly fatal: (error: Error) => void;
  /** Reads the configuration again; absent where there is no file. */
  readonly reload?: () => Promise<Config>;
  readonly seams?: GatewaySeams;
}

/** Where a test puts itself between two rooms (kills at a record, known-broken variants); the program hands in none. */
export interface GatewaySeams {
  readonly journal?: (journal: Journal) => Journal;
  /** Opens the journal's file: a disk that is slow, full or broken. */
  readonly journalFile?: (path: string) => Promise<JournalFile>;
  readonly control?: (ports: DeciderInputs) => DeciderInputs;
  readonly proxy?: (ports: ProxyPorts) => ProxyPorts;
}

const asIs = <T>(ports: T): T => ports;

export interface Gateway {
  /** Listening on every address when it resolves. */
  start(): Promise<void>;
  /** Readiness first, then drains; ends within the deadlines of its parts. */
  close(): Promise<void>;
  destroy(reason: string): void;
  status(): GatewayStatus;
  /** Takes over what can change while running (a first networks.new, reads, log level); names what needs a restart. */
  reconfigure(after: Config): readonly ConfigChange[];
}

/** Every room of one gateway, made and joined here and nowhere else. */
export interface Rooms extends Pick<Decider, 'rolling' | 'offline'> {
  readonly nodes: Nodes;
  readonly archive: ChangesetArchive;
  readonly ledger: Ledger;
  readonly answers: AnswerStore;
  readonly journal: Journal;
  readonly replication: Replication;
  readonly verifier: Verifier;
  readonly recent: RecentVerifier;
  readonly control: Control;
  readonly proxy: Proxy;
  readonly snapshots: SnapshotSource;
}

/**
 * Composition root. Starts storage, then what observes (nodes, replication), then what decides (control), then what
 * serves (proxy, admin); ends in reverse, so that nothing serves on facts that nobody keeps up.
 */
export function createGateway(initial: Config, platform: GatewayPlatform): Gateway {
  const { logger, clock } = platform;
  let config = initial;
  const startedAt = new Date(clock.now()).toISOString();
  let lock: FolderLock | null = null;
  let rooms: Rooms | null = null;
  let admin: Admin | null = null;
  let upkeep: Upkeep | null = null;
  let addresses = { public: config.listen, relay: null as string | null, admin: config.admin.listen };
  let isStarted = false;
  let isClosing = false;
  let ending: Promise<void> | null = null;

  const status = (): GatewayStatus => {
    if (rooms === null) throw new GatewayError('not_started', 'control', 'the gateway is still starting');
    return gatewayStatus(rooms, { config, addresses, startedAt, version: platform.version });
  };

  function reconfigure(after: Config): readonly ConfigChange[] {
    const changes = configChanges(config, after);
    const addsNetwork = config.networks.new === undefined && after.networks.new !== undefined;
    // Built from the running configuration, so that a setting that needs a restart keeps its running value everywhere.
    config = {
      ...config,
      reads: after.reads,
      log: { ...config.log, level: after.log.level },
      networks: addsNetwork ? { ...config.networks, new: after.networks.new } : config.networks,
    };
    logger.level = config.log.level;
    if (addsNetwork) rooms?.nodes.setNetwork('new', after.networks.new!);
    rooms?.snapshots.refresh();
    rooms?.proxy.reloadTls().catch((error: unknown) => {
      logger.error({ reason: messageOf(error) }, 'the certificate was not exchanged; the one before stays');
    });
    for (const { path, from, to, needsRestart } of changes) {
      logger[needsRestart ? 'warn' : 'info'](
        { setting: path, from, to },
        needsRestart ? 'changed, but needs a restart' : 'changed',
      );
    }
    return changes;
  }

  return {
    reconfigure,
    async start() {
      lock = await lockFolder(config.dataDir);
      rooms = await buildRooms(() => config, platform);
      const { nodes, replication, control, proxy, snapshots } = rooms;
      // The admin side first: an operator can look while the rest starts, and liveness never depends on upstreams.
      admin = createAdmin(
        {
          listen: config.admin.listen,
          tokenFile: config.admin.tokenFile ?? join(config.dataDir, 'admin.token'),
          metrics: config.admin.metrics,
          version: platform.version,
        },
        adminPorts(rooms, {
          platform,
          status,
          reconfigure,
          started: () => isStarted,
          closing: () => isClosing,
        }),
      );
      addresses = { ...addresses, admin: (await admin.start()).address };
      await nodes.start();
      // The other two strategies move without changesets: nobody may take us for a node of the old network.
      if (config.migration.strategy === 'zero-downtime')
        addresses = { ...addresses, relay: (await replication.start()).relayAddress };
      await control.start();
      if (config.migration.strategy === 'zero-downtime') {
        rooms.recent.start({
          applied: () => replication.watermark().applied,
          resting: () => !takesWrites(control, 'old'),
        });
      }
      snapshots.start();
      addresses = { ...addresses, public: (await proxy.start()).address };
      const { ledger } = rooms;
      upkeep = createUpkeep(() => config.writes.keepDays, {
        ...platform,
        prune: (at, max) => ledger.prune(at, max),
      });
      upkeep.start();
      isStarted = true;
      logger.info({ ...addresses, phase: control.status().phase }, 'gateway started');
    },

    close() {
      isClosing = true;
      ending ??= (async () => {
        // Not ready already, so that a load balancer stops sending before the door closes.
        upkeep?.close();
        if (isStarted) await sleep(clock, config.drain.delayMs);
        if (rooms !== null) {
          await rooms.proxy.close();
          rooms.snapshots.close();
          await rooms.control.close();
          await rooms.recent.close();
          await rooms.replication.close();
          await rooms.nodes.close();
          await rooms.journal.close();
          await rooms.ledger.close();
          await rooms.answers.close();
          await rooms.archive.close();
        }
        await admin?.close();
        await lock?.release();
      })();
      return ending;
    },

    destroy(reason) {
      isClosing = true;
      upkeep?.close();
      rooms?.proxy.destroy(reason);
      rooms?.control.destroy(reason);
      void rooms?.recent.close();
      rooms?.replication.destroy(reason);
      rooms?.nodes.destroy(reason);
      admin?.destroy(reason);
    },

    status,
  };
}

async function buildRooms(current: () => Config, platform: GatewayPlatform): Promise<Rooms> {
  const config = current();
  const { clock, logger, metrics } = platform;
  const shared = { clock, logger, metrics };
  await mkdir(config.dataDir, { recursive: true });
  const archive = createChangesetArchive({ folder: join(config.dataDir, 'archive') });
  const ledger = createLedger({ folder: join(config.dataDir, 'ledger') });
  const seams: Required<Omit<GatewaySeams, 'journalFile'>> & GatewaySeams = {
    journal: asIs<Journal>,
    control: asIs<DeciderInputs>,
    proxy: asIs<ProxyPorts>,
    ...platform.seams,
  };
  const disk = seams.journalFile === undefined ? {} : { openFile: seams.journalFile };
  const journal = seams.journal(await openJournal({ folder: join(config.dataDir, 'journal') }, { clock, ...disk }));
  if (journal.tornBytes > 0)
    logger.warn({ bytes: journal.tornBytes }, 'the journal ended in an unfinished record, which was cut off');
  await archive.open();
  await ledger.open();
  const answers = createAnswerStore({ folder: join(config.dataDir, 'answers') });
  await answers.open();

  const nodes = createNodes({ networks: config.networks, probes: config.probes }, shared);
  const replication = createReplication(
    { relay: config.relay, dataDir: config.dataDir, oldChainId: config.networks.old.chainId },
    { ...shared, nodes, archive, isOurs: hash => ledger.get(hash) !== undefined },
  );
  const verifier = createVerifier({}, { ...shared, nodes });
  const recent = createRecentVerifier({ ...shared, nodes, archive });

  // Control and proxy each need a little of the other: control waits for the proxy's writes to end, the proxy follows the
  // intent that control publishes. The proxy reads it through the snapshot, which breaks the circle.
  const late: { proxy: Proxy | null } = { proxy: null };
  const proxyOf = (): Proxy => {
    if (late.proxy === null) throw new GatewayError('not_started', 'invariant', 'the proxy is used before it is made');
    return late.proxy;
  };
  const decider = createDecider(
    current,
    seams.control({
      ...shared,
      journal,
      nodes,
      replication: { ...replication, announced: () => announcedBy(replication) },
      ledger,
      verifier: recent,
      proxy: {
        quiesced: (epoch, signal) => proxyOf().quiesced(epoch, signal),
        held: () => proxyOf().held(),
        inFlightWrites: () => proxyOf().inFlightWrites(),
        challenges: node => proxyOf().challenges(node),
      },
      strangers: () => replication.strangers().total,
      fatal: platform.fatal,
    }),
  );
  const { control } = decider;
  const snapshots = createSnapshotSource({
    config: current,
    control,
    nodes,
    replication,
    metrics,
    clock,
    eta: () => decider.offline?.eta() ?? null,
  });
  late.proxy = createProxy(
    proxyOptions(config),
    seams.proxy({
      ...shared,
      snapshot: () => snapshots.current(),
      onSnapshot: listener => snapshots.subscribe(listener),
      nodes,
      ledger,
      answers,
      migrationValue: () => migrationPublic(snapshots.current(), current()),
      secret: await sessionSecret(config.dataDir),
    }),
  );
  return {
    ...decider,
    nodes,
    archive,
    ledger,
    answers,
    journal,
    replication,
    verifier,
    recent,
    proxy: late.proxy,
    snapshots,
  };
}

function takesWrites(control: Control, network: NetworkName): boolean {
  const { writes } = control.intent();
  return writes.kind === 'send' && writes.network === network;
}

/** Start and End as the new network was told them: own End and a shifted timeline differ from the old network's. */
function announcedBy(replication: Replication): { startHeight: number; endHeight: number } | null {
  const terms = replication.terms();
  return terms === null ? null : { startHeight: terms.presentedStart, endHeight: terms.presentedEnd };
}

/** Key of session tokens: made once per data folder, so that tokens outlive a restart. */
async function sessionSecret(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, 'session.key');
  try {
    const bytes = await readFile(path);
    if (bytes.length === 32) return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new GatewayError('session_key_unreadable', 'config', `cannot read ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  const made = randomBytes(32);
  await writeFileAtomic(path, made, 0o600);
  return made;
}

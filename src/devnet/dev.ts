/**
 * dev: an embedded pair of networks with the gateway in front, to develop an application against or to look around. Prints
 * every URL and key and stays until ^C.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGatewayProcess, freePorts } from './demo/gateway-process.js';
import { createDevnet } from './devnet.js';
import { supervise } from './supervisor.js';

export interface DevOptions {
  readonly json: boolean;
  readonly blockMs: number;
}

export interface DevIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly signal: AbortSignal;
}

const NODES = 2;
const OLD_CHAIN = 'dev-old';
const NEW_CHAIN = 'dev-new';
const LAG_MS = 5_000;

export async function runDev(options: DevOptions, io: DevIo): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-dev-'));
  const devnet = createDevnet({ controlPort: 0 });
  const endings: (() => Promise<void> | void)[] = [
    () => rm(folder, { recursive: true, force: true }),
    () => devnet.stop(),
  ];
  try {
    const newPorts = await freePorts(NODES);
    const newUrls = newPorts.map(port => `http://127.0.0.1:${port}`);
    const old = devnet.createNetwork({ name: 'old', chainId: OLD_CHAIN, nodes: NODES, blockMs: options.blockMs });
    await devnet.start();
    const gateway = await createGatewayProcess({
      folder,
      old: { chainId: OLD_CHAIN, urls: old.urls },
      new: { chainId: NEW_CHAIN, urls: newUrls },
      validators: ['v1', 'v2'],
      listenerPaceMs: 1010,
      lagBlocksMax: Math.max(5, Math.ceil(LAG_MS / options.blockMs)),
      onExit: code => io.stderr.write(`the gateway ended by itself with code ${code}; its log: ${gateway.logFile}\n`),
    });
    endings.push(() => gateway.stop());
    await gateway.start();
    const { urls } = await gateway.admin<{ urls: { url: string }[] }>('GET', '/v1/relay/urls');
    const fresh = devnet.createNetwork({
      name: 'new',
      chainId: NEW_CHAIN,
      nodes: NODES,
      blockMs: options.blockMs,
      seed: 2,
      ports: newPorts,
      migrateFrom: urls.map(({ url }) => url),
      defects: { farStartStalls: false },
    });
    await fresh.start();
    endings.push(supervise(fresh));

    const facts = {
      gateway: gateway.url,
      admin: gateway.adminUrl,
      config: gateway.configFile,
      old: { chainId: OLD_CHAIN, nodes: old.urls },
      new: { chainId: NEW_CHAIN, nodes: newUrls },
      owner: { address: old.owner, privateKey: old.ownerKey },
      control: devnet.controlUrl(),
      log: gateway.logFile,
    };
    io.stdout.write(options.json ? JSON.stringify(facts) + '\n' : describe(facts));
    await new Promise<void>(resolve => {
      if (io.signal.aborted) resolve();
      io.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return 0;
  } finally {
    for (const ending of endings.reverse()) await Promise.resolve(ending()).catch(() => undefined);
  }
}

interface Facts {
  readonly gateway: string;
  readonly admin: string;
  readonly config: string;
  readonly old: { readonly chainId: string; readonly nodes: readonly string[] };
  readonly new: { readonly chainId: string; readonly nodes: readonly string[] };
  readonly owner: { readonly address: string; readonly privateKey: string };
  readonly control: string | null;
  readonly log: string;
}

const describe = (facts: Facts): string => `
applications   ${facts.gateway}   chain ${facts.old.chainId}
operators      ${facts.admin}   switchyard status --watch -c ${facts.config}
old network    ${facts.old.nodes.join('  ')}
new network    ${facts.new.nodes.join('  ')}   answers once a migration is in progress
owner          ${facts.owner.address}   private key ${facts.owner.privateKey} (of these networks only)
faults         ${facts.control}
gateway's log  ${facts.log}

Begin a migration (Start in 20 blocks, End 600 blocks later):
  curl -X POST ${facts.control}/networks/old/migration -d '{"activationPeriod":20,"duration":600}'
Throw the switch when \`status\` says ready:
  switchyard cutover start -c ${facts.config}

^C ends everything.
`;

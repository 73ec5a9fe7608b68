import { constants, existsSync, readFileSync } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { ConfigError, adminTokenFile, loadConfig, parseAddress, type Config } from '../../config/index.js';
import { NETWORK_NAMES, messageOf, type NetworkName } from '../../model/index.js';
import { createClient } from '../client.js';
import { jsonOption, lookOf, type CliContext } from '../context.js';
import { EXIT } from '../errors.js';
import { printResult, type CliIo } from '../io.js';
import { findTarget } from '../target.js';
import { bytes, duration } from '../text/format.js';
import { padEnd, type Style } from '../text/style.js';
import { wrap } from '../text/table.js';
import { loadOptions, readsConfig, type ConfigFlags } from './run.js';

interface Finding {
  readonly id: string;
  readonly verdict: 'pass' | 'warn' | 'fail';
  readonly text: string;
}

const NODE_MS = 3_000;
const DISK_FREE_MIN = 1_000_000_000;
const FILES_MIN = 8_192;
const SKEW_MAX_MS = 2_000;

export function addDoctor(program: Command, context: CliContext): void {
  readsConfig(program.command('doctor'))
    .summary('look at this machine and the nodes before a start; exit 0 or 2')
    .description(
      'Looks at this machine and at every node, with and without a running gateway: versions, configuration, disk, open files, ports, chain ids, clocks. Exit code 0 or 2.',
    )
    .addOption(jsonOption())
    .action(async (options: ConfigFlags & { readonly json?: boolean }) => {
      const findings = await examine(options, context);
      const ok = findings.every(({ verdict }) => verdict !== 'fail');
      printResult(context.io, options.json === true, { ok, findings }, () => findingsText(findings, lookOf(context)));
      context.exit(ok ? EXIT.done : EXIT.no);
    });
}

async function examine(options: ConfigFlags, context: CliContext): Promise<readonly Finding[]> {
  const { io, programs } = context;
  const machine: Finding[] = [
    {
      id: 'program',
      verdict: 'pass',
      text: `switchyard ${programs.version} (${programs.commit}), Node ${process.version}, ${process.platform} ${process.arch}`,
    },
    openFiles(),
  ];
  let config: Config;
  try {
    const loaded = loadConfig(loadOptions(options, context));
    config = loaded.config;
    const doubts =
      loaded.doubts.length === 0 ? '' : `; ${loaded.doubts.map(d => `${d.path.join('.')}: ${d.message}`).join('; ')}`;
    machine.push({
      id: 'configuration',
      verdict: doubts === '' ? 'pass' : 'warn',
      text: `${loaded.file ?? 'no file'}${doubts}`,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [
      ...machine,
      {
        id: 'configuration',
        verdict: 'fail',
        text: `${error.problems.length} problems; \`switchyard config check\` lists them`,
      },
    ];
  }
  const isRunning = await gatewayAnswers(options, context);
  return [
    ...machine,
    await dataFolder(config, io),
    ...(await tokenMode(config, io)),
    {
      id: 'gateway',
      verdict: 'pass',
      text: isRunning ? 'one is running with this configuration' : 'none is running with this configuration',
    },
    ...(isRunning
      ? []
      : await Promise.all(
          (['listen', 'relay', 'admin'] as const).map(name =>
            port(name, name === 'listen' ? config.listen : config[name].listen),
          ),
        )),
    ...(await Promise.all(
      NETWORK_NAMES.flatMap(network =>
        (config.networks[network]?.nodes ?? []).map(node => probe(network, node, config.networks[network]!.chainId)),
      ),
    )),
  ];
}

function openFiles(): Finding {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : '';
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
  if (Number.isNaN(soft)) return { id: 'open files', verdict: 'pass', text: 'limit not known on this system' };
  return {
    id: 'open files',
    verdict: soft < FILES_MIN ? 'warn' : 'pass',
    text: `limit ${soft}${soft < FILES_MIN ? `; raise it to ${FILES_MIN} or more` : ''}`,
  };
}

async function dataFolder(config: Config, io: CliIo): Promise<Finding> {
  let folder = resolve(io.cwd, config.dataDir);
  while (!existsSync(folder)) folder = dirname(folder); // it is made at the first start
  try {
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    return {
      id: 'data folder',
      verdict: free < DISK_FREE_MIN ? 'warn' : 'pass',
      text: `${resolve(io.cwd, config.dataDir)}, ${bytes(free)} free`,
    };
  } catch (error) {
    return { id: 'data folder', verdict: 'fail', text: `${folder}: ${messageOf(error)}` };
  }
}

async function tokenMode(config: Config, io: CliIo): Promise<Finding[]> {
  const path = resolve(io.cwd, adminTokenFile(config));
  const mode = await stat(path).then(
    s => s.mode & 0o777,
    () => null,
  );
  if (mode === null) return [];
  const exposed = (mode & 0o077) !== 0;
  return [
    {
      id: 'admin token',
      verdict: exposed ? 'warn' : 'pass',
      text: `${path}, mode ${mode.toString(8).padStart(4, '0')}${exposed ? ': others can read it; chmod 600' : ''}`,
    },
  ];
}

async function gatewayAnswers(options: ConfigFlags, { io }: CliContext): Promise<boolean> {
  try {
    const target = findTarget({ ...(options.config !== undefined && { config: options.config }) }, io);
    await createClient(target, io.signal).call('status');
    return true;
  } catch {
    return false; // why is no matter here: the ports below tell whether something else is there
  }
}

function port(name: 'listen' | 'relay' | 'admin', text: string): Promise<Finding> {
  const id = name === 'listen' ? 'port' : `port ${name}`;
  const address = parseAddress(text);
  return new Promise(done => {
    if (!address || address.port === 0) return done({ id, verdict: 'pass', text: `${text}: any free one` });
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      done({ id, verdict: 'fail', text: `${text}: ${error.code ?? error.message}` }),
    );
    server.listen(address.port, address.host, () =>
      server.close(() => done({ id, verdict: 'pass', text: `${text} is free` })),
    );
  });
}

async function probe(
  network: NetworkName,
  node: { readonly name: string; readonly url: string },
  chainId: string,
): Promise<Finding> {
  const id = `${network}/${node.name}`;
  const begun = performance.now();
  try {
    const answer = await fetch(`${node.url.replace(/\/+$/, '')}/rpc/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"user.chain_info","params":{}}',
      signal: AbortSignal.timeout(NODE_MS),
    });
    const body = (await answer.json()) as { result?: { chain_id?: unknown; block_height?: unknown } };
    const ms = performance.now() - begun;
    const found = body.result?.chain_id;
    if (typeof found !== 'string')
      return { id, verdict: 'fail', text: `answers, but not as a Kwil node (HTTP ${answer.status})` };
    if (found !== chainId)
      return { id, verdict: 'fail', text: `is on chain ${JSON.stringify(found)}, not ${JSON.stringify(chainId)}` };
    const skew = Math.abs(Date.parse(answer.headers.get('date') ?? '') - Date.now());
    // The Date header has seconds only.
    const isOff = skew > SKEW_MAX_MS + ms;
    return {
      id,
      verdict: isOff ? 'warn' : 'pass',
      text: `chain ${found}, height ${Number(body.result?.block_height)}, ${duration(ms)}${isOff ? `; its clock differs by ${duration(skew)}` : ''}`,
    };
  } catch (error) {
    const cause = (error as { cause?: NodeJS.ErrnoException }).cause;
    return { id, verdict: 'fail', text: `does not answer: ${cause?.code ?? messageOf(error)}` };
  }
}

function findingsText(findings: readonly Finding[], { width, style }: { width: number; style: Style }): string {
  const mark = { pass: style.good('pass'), warn: style.warn('warn'), fail: style.bad('FAIL') };
  const idWidth = Math.max(...findings.map(({ id }) => id.length));
  return findings
    .flatMap(({ id, verdict, text }) =>
      wrap(text, width - idWidth - 8).map((line, i) =>
        i === 0 ? `${mark[verdict]}  ${padEnd(id, idWidth)}  ${line}` : ' '.repeat(idWidth + 8) + line,
      ),
    )
    .join('\n');
}

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { adminTokenFile, loadConfig, localUrl, parseAddress, usualPlaces } from '../config/index.js';
import { messageOf } from '../model/index.js';
import { CliError, EXIT, usage } from './errors.js';
import type { CliIo } from './io.js';

export interface TargetOptions {
  readonly config?: string;
  /** Base URL of the admin API. */
  readonly admin?: string;
  readonly tokenFile?: string;
}

/** The gateway that a command talks to. */
export interface Target {
  readonly url: string;
  readonly token: string;
}

const DEFAULT_URL = 'http://127.0.0.1:8482';
const DEFAULT_TOKEN_FILE = './data/admin.token';

/** Admin address and token: from flags, else SWITCHYARD_ADMIN_URL and SWITCHYARD_TOKEN_FILE, else from the configuration. */
export function findTarget(options: TargetOptions, io: CliIo): Target {
  const admin = options.admin ?? (io.env['SWITCHYARD_ADMIN_URL'] || undefined);
  const tokenFile = options.tokenFile ?? (io.env['SWITCHYARD_TOKEN_FILE'] || undefined);
  const fallback = admin !== undefined && tokenFile !== undefined ? null : fromConfig(options.config, io);
  const url = admin === undefined ? fallback!.url : checkedUrl(admin);
  return { url, token: readToken(tokenFile ?? fallback!.tokenFile, io) };
}

function fromConfig(file: string | undefined, io: CliIo): { url: string; tokenFile: string } {
  const isNamed = file !== undefined || Boolean(io.env['SWITCHYARD_CONFIG']);
  if (!isNamed && !usualPlaces(io.env, io.cwd).some(place => existsSync(place))) {
    return { url: DEFAULT_URL, tokenFile: DEFAULT_TOKEN_FILE };
  }
  const { config } = loadConfig({ file, env: io.env, cwd: io.cwd });
  const address = parseAddress(config.admin.listen);
  if (address === null || address.port === 0) {
    throw usage(
      `admin.listen is ${config.admin.listen}: the gateway takes any free port`,
      'its log says which ("admin API listens"); give it with --admin http://127.0.0.1:PORT',
    );
  }
  return { url: localUrl(address), tokenFile: adminTokenFile(config) };
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol))
    throw usage(`--admin ${text} is not a URL`, 'such as http://127.0.0.1:8482');
  return url.href.replace(/\/+$/, '');
}

function readToken(file: string, io: CliIo): string {
  const path = resolve(io.cwd, file);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(
      isAbsent ? EXIT.unreachable : EXIT.failure,
      isAbsent ? 'no_token' : 'token_unreadable',
      isAbsent ? `there is no token file ${path}` : `cannot read the token file ${path}: ${messageOf(error)}`,
      isAbsent
        ? 'a gateway makes it at its first start; when it runs elsewhere, give -c FILE of its configuration, or --admin URL and --token-file FILE'
        : 'run as the user of the gateway, or give another with --token-file FILE',
    );
  }
}

import type { Explanation } from '../admin/contract.js';
import type { Config, LoadedConfig } from '../config/index.js';
import type { Strategy } from '../model/index.js';
import type { CliIo } from './io.js';

export interface DemoFlags {
  readonly strategy: Strategy;
  readonly json: boolean;
  readonly seed: number;
  readonly writers: number;
  readonly readers: number;
  readonly rate: number;
  readonly rows: number;
  readonly blockMs: number;
  readonly keep: boolean;
}

export interface DevFlags {
  readonly json: boolean;
  readonly blockMs: number;
}

/** What main.ts hands in: the long-running programs, so that the CLI itself pulls in neither the gateway nor the devnet. */
export interface Programs {
  readonly version: string;
  readonly commit: string;
  /** Runs until the signal or a fatal error; gives the exit code. `reload` reads the same sources again. */
  serve(loaded: LoadedConfig, reload: () => LoadedConfig, io: CliIo): Promise<number>;
  dev(flags: DevFlags, io: CliIo): Promise<number>;
  demo(flags: Partial<DemoFlags>, io: CliIo): Promise<number>;
  /** Explains without a running gateway, as before a migration; undefined while that is not there. */
  explain?(config: Config, request: Uint8Array): Promise<Explanation>;
}

import { isDeepStrictEqual } from 'node:util';
import { printable } from './problems.js';
import type { Config } from './schema.js';
import { isReloadable, pathText, type ConfigPath } from './shape.js';

export interface ConfigChange {
  readonly path: string;
  /** Printable; `-` for a value that is not there. */
  readonly from: string;
  readonly to: string;
  /** Takes effect only after a restart. */
  readonly needsRestart: boolean;
}

/** What differs between two configurations, leaf by leaf (lists as a whole). */
export function configChanges(before: Config, after: Config): readonly ConfigChange[] {
  return differences([], before, after);
}

function differences(path: ConfigPath, before: unknown, after: unknown): ConfigChange[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isSection(before) && isSection(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap(key => differences([...path, key], before[key], after[key]));
  }
  const text = (value: unknown): string => (value === undefined ? '-' : printable(value));
  return [
    {
      path: pathText(path),
      from: text(before),
      to: text(after),
      needsRestart: !isReloadable(path) || isReplacedNetwork(path, before),
    },
  ];
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** networks.new can be added while running; one that is there is never exchanged under a running migration. */
const isReplacedNetwork = (path: ConfigPath, before: unknown): boolean =>
  path[0] === 'networks' && before !== undefined;

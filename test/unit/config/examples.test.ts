import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseDocument, isMap, isScalar, visit } from 'yaml';
import { describe, expect, test } from 'vitest';
import {
  configJsonSchema,
  exampleConfig,
  isReloadable,
  loadConfig,
  configChanges,
  shapeAt,
  type ConfigPath,
  type Shape,
} from '../../../src/config/index.js';

const FOLDER = resolve(import.meta.dirname, '../../../config');
const examples = readdirSync(FOLDER).filter(name => name.endsWith('.yaml'));

describe('documented examples', () => {
  test('there are some', () => expect(examples).toContain('switchyard.yaml'));

  test.each(examples)('config/%s loads', name => {
    const { config } = loadConfig({ file: join(FOLDER, name), env: {} });
    expect(config.networks.old.nodes.length).toBeGreaterThan(0);
  });

  test('config/switchyard.yaml is what `config init` writes', () => {
    const again = 'write it again: npx tsx src/main.ts config init --force config/switchyard.yaml';
    expect(readFileSync(join(FOLDER, 'switchyard.yaml'), 'utf8'), again).toBe(exampleConfig);
  });

  test('config/switchyard.schema.json is what `config schema` prints', () => {
    const text = readFileSync(join(FOLDER, 'switchyard.schema.json'), 'utf8');
    const again = 'write it again: npx tsx src/main.ts config init --force config/switchyard.yaml';
    expect(JSON.parse(text), again).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
  });

  test('the commented defaults are the defaults', () => {
    const uncommented = exampleConfig
      .split('\n')
      .map(line => line.replace(/^(\s*)# ([a-z]\w*: .*)$/, '$1$2'))
      .filter(line => !/^\s*#/.test(line))
      .filter(line => !/validators: \[/.test(line) && !/name: old-2/.test(line));
    const document = parseDocument(uncommented.join('\n'));
    expect(document.errors).toEqual([]);
    const settled = loadConfig({ env: {}, file: join(FOLDER, 'switchyard.yaml') }).config;
    const checked: string[] = [];
    visit(document, {
      Pair(_, pair, path) {
        if (!isScalar(pair.value)) return;
        const keys = [...path.filter(node => 'key' in node), pair].map(node => String((node as { key: unknown }).key));
        if (keys[0] === 'networks' || keys.at(-1) === 'tokenFile') return;
        const value = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], settled);
        expect(pair.value.value, keys.join('.')).toBe(value);
        checked.push(keys.join('.'));
      },
    });
    expect(checked).toContain('writes.holdBytesMax');
    expect(checked.length).toBeGreaterThan(20);
    expect(isMap(document.contents)).toBe(true);
  });
});

test('every setting has a description', () => {
  const missing: string[] = [];
  const walk = (shape: Shape, path: ConfigPath): void => {
    if (shape.description === undefined && path.length > 0) missing.push(path.join('.'));
    for (const [key, child] of Object.entries(shape.properties ?? {})) walk(child, [...path, key]);
  };
  walk(configJsonSchema(), []);
  expect(missing).toEqual([]);
});

test('the schema says what can change while running', () => {
  expect(isReloadable(['reads', 'policy'])).toBe(true);
  expect(isReloadable(['listen'])).toBe(false);
  expect(shapeAt(['writes', 'nope'])).toBeUndefined();
});

test('changes are told leaf by leaf, with what needs a restart', () => {
  const { config } = loadConfig({ env: {}, file: join(FOLDER, 'switchyard.yaml') });
  const { new: fresh, ...rest } = config.networks;
  const alone = { ...config, networks: rest };
  expect(configChanges(config, config)).toEqual([]);
  expect(configChanges(alone, config)).toMatchObject([{ path: 'networks.new', from: '-', needsRestart: false }]);
  expect(configChanges(config, alone)).toMatchObject([{ path: 'networks.new', to: '-', needsRestart: true }]);
  expect(configChanges(config, { ...config, listen: '127.0.0.1:1', reads: { ...config.reads, share: 5 } })).toEqual([
    { path: 'listen', from: '"127.0.0.1:8480"', to: '"127.0.0.1:1"', needsRestart: true },
    { path: 'reads.share', from: '0', to: '5', needsRestart: false },
  ]);
  expect(fresh).toBeDefined();
});

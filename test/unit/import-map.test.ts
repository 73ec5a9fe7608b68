import { readFileSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

interface Import {
  /** Relative to src/, with `/`. */
  readonly from: string;
  /** Relative to src/ for own files; as written for everything else. */
  readonly to: string;
  readonly kind: 'static' | 'type' | 'dynamic';
  readonly isOwn: boolean;
}

const GROUND = ['config', 'telemetry', 'platform', 'model'];
const PURE = ['routing', 'cutover', 'strategies', 'protocol', 'model'];
const EDGES = ['proxy', 'nodes', 'replication', 'control', 'storage', 'coordination', 'admin'];

/** Which rooms a room may import; what is not named here is refused. Files beside the rooms have their own line. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  model: [],
  protocol: ['model'],
  routing: ['protocol', 'model'],
  cutover: ['protocol', 'model'],
  strategies: ['cutover', 'protocol', 'model'],
  platform: ['model'],
  telemetry: ['model', 'platform'],
  config: ['model', 'platform'],
  ...Object.fromEntries(EDGES.map(edge => [edge, [...PURE, ...GROUND]])),
  devnet: ['protocol', 'model', 'platform'],
  cli: ['admin', 'config', 'model', 'platform'],
  main: ['cli', 'serve', 'gateway', 'devnet', 'model'],
  serve: ['cli', 'gateway', 'config', 'telemetry', 'platform', 'model'],
  gateway: [...EDGES, ...PURE, ...GROUND, 'gateway'],
};

const PURE_ROOMS = new Set(PURE);
/** A pure room computes: hashing and bytes, nothing that reads a clock, a file or a socket. */
const PURE_BUILTINS: Readonly<Record<string, readonly string[]>> = { protocol: ['node:crypto', 'node:buffer'] };

/** Doors beside index.ts. */
const SECOND_DOORS = new Set(['admin/contract.ts', 'gateway/explain.ts']);

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => name.split(sep).join('/'))
  .sort();
const imports = files.flatMap(importsOf);
const own = imports.filter(({ isOwn }) => isOwn);

/** `protocol/tx.ts` → protocol; `gateway/view.ts` → gateway (files of the root belong to their first word). */
const roomOf = (file: string): string =>
  file.includes('/') ? file.split('/')[0]! : file.replace(/\.ts$/, '').split('-')[0]!;

describe('the import map of src/', () => {
  test('has no room that the rules do not know', () => {
    expect([...new Set(files.map(roomOf))].filter(room => !(room in ALLOWED))).toEqual([]);
  });

  test('points only the ways the architecture allows', () => {
    const wrong = own.filter(
      ({ from, to }) => roomOf(from) !== roomOf(to) && !ALLOWED[roomOf(from)]?.includes(roomOf(to)),
    );
    expectNone(wrong);
  });

  test('enters other rooms by their front door', () => {
    const wrong = own.filter(
      ({ from, to }) =>
        roomOf(from) !== roomOf(to) &&
        to.includes('/') &&
        !/^[\w-]+\/index\.ts$/.test(to) &&
        !SECOND_DOORS.has(to) &&
        !isDynamicDevnet(from, to),
    );
    expectNone(wrong);
  });

  test('the command line reaches the admin room by its contract only', () => {
    expectNone(
      own.filter(({ from, to }) => roomOf(from) === 'cli' && roomOf(to) === 'admin' && to !== 'admin/contract.ts'),
    );
  });

  test('pure rooms import nothing of Node but hashing and bytes, and no package that does input or output', () => {
    const wrong = imports.filter(
      ({ from, to, isOwn }) =>
        !isOwn && PURE_ROOMS.has(roomOf(from)) && isBuiltin(to) && !PURE_BUILTINS[roomOf(from)]?.includes(to),
    );
    expectNone(wrong);
    const packages = new Set(
      imports
        .filter(({ from, to, isOwn }) => !isOwn && PURE_ROOMS.has(roomOf(from)) && !isBuiltin(to))
        .map(({ to }) => to),
    );
    const known = /^(@noble\/(curves|hashes)(\/|$)|lossless-json$)/;
    expect([...packages].filter(name => !known.test(name))).toEqual([]);
  });

  test('the devnet is never loaded by serve: no static path leads from the entries to it', () => {
    for (const entry of ['main.ts', 'serve.ts', 'gateway.ts', 'gateway/explain.ts']) {
      const path = pathTo(entry, to => roomOf(to) === 'devnet');
      expect(path, `static path to the devnet: ${path?.join(' -> ')}`).toBeNull();
    }
  });

  test('the command line does not load the gateway before serve asks for it', () => {
    const path = pathTo('main.ts', to => EDGES.includes(roomOf(to)) && to !== 'admin/contract.ts');
    expect(path, `static path to an edge: ${path?.join(' -> ')}`).toBeNull();
  });

  test('has no circle among files', () => {
    const circles = findCircles();
    expect(circles.map(circle => circle.join(' -> '))).toEqual([]);
  });

  test('would notice a broken rule', () => {
    // The rules above must be able to fail: a made-up import of every kind is refused.
    expect(ALLOWED['proxy']).not.toContain('nodes');
    expect(ALLOWED['model']).toEqual([]);
    expect(own.length).toBeGreaterThan(100);
    expect(pathTo('gateway.ts', to => roomOf(to) === 'admin')).not.toBeNull();
  });
});

function isDynamicDevnet(from: string, to: string): boolean {
  return from === 'main.ts' && /^devnet\/(demo\/index|dev)\.ts$/.test(to);
}

function importsOf(file: string): Import[] {
  const path = join(SRC, file);
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const add = (specifier: ts.Expression | undefined, kind: Import['kind']): void => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return;
    const isOwn = specifier.text.startsWith('.');
    const to = isOwn
      ? relative(SRC, resolve(dirname(path), specifier.text.replace(/\.js$/, '.ts')))
          .split(sep)
          .join('/')
      : specifier.text;
    found.push({ from: file, to, kind, isOwn });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node) ? 'type' : 'static');
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly ? 'type' : 'static');
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], 'dynamic');
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, 'type');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** An import whose names are all types is gone after compilation. */
function isTypeOnly({ importClause: clause }: ts.ImportDeclaration): boolean {
  if (!clause) return false;
  if (clause.isTypeOnly) return true;
  const names = clause.namedBindings;
  return (
    !clause.name &&
    names !== undefined &&
    ts.isNamedImports(names) &&
    names.elements.length > 0 &&
    names.elements.every(name => name.isTypeOnly)
  );
}

/** Files that are loaded together with a file. */
function staticEdges(file: string): readonly string[] {
  return own.filter(({ from, kind }) => from === file && kind === 'static').map(({ to }) => to);
}

function pathTo(entry: string, isWanted: (file: string) => boolean): string[] | null {
  const queue: string[][] = [[entry]];
  const seen = new Set([entry]);
  for (let path = queue.shift(); path; path = queue.shift()) {
    for (const to of staticEdges(path.at(-1)!)) {
      if (seen.has(to)) continue;
      seen.add(to);
      if (isWanted(to)) return [...path, to];
      queue.push([...path, to]);
    }
  }
  return null;
}

/** One circle per file that closes one, by depth-first search. */
function findCircles(): string[][] {
  const circles: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (file: string, path: readonly string[]): void => {
    state.set(file, 'open');
    for (const to of staticEdges(file)) {
      if (state.get(to) === 'open') circles.push([...path.slice(path.indexOf(to)), to]);
      else if (!state.has(to)) visit(to, [...path, to]);
    }
    state.set(file, 'done');
  };
  for (const file of files) if (!state.has(file)) visit(file, [file]);
  return circles;
}

function expectNone(wrong: readonly Import[]): void {
  const lines = wrong.map(({ from, to, kind }) => `${from} -> ${to} (${kind})`);
  expect(lines, `not allowed:\n${lines.join('\n')}\n\n${drawing()}`).toEqual([]);
}

/** The map as it is, for whoever broke it. */
function drawing(): string {
  const rooms = [...new Set(files.map(roomOf))];
  return rooms
    .map(room => {
      const to = new Set(own.filter(({ from }) => roomOf(from) === room).map(({ to: target }) => roomOf(target)));
      to.delete(room);
      return `${room.padEnd(12)} -> ${[...to].sort().join(', ') || '(nothing)'}`;
    })
    .join('\n');
}

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METHOD_CLASSES } from '../../../src/routing/index.js';
import { exchangeFiles, exchanges } from '../../support/golden.js';
import { createHarness, type Harness } from './harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await createHarness({ oldCount: 1, proxy: { limits: { challengesPerSecond: 0 } } });
});
afterAll(() => harness.close());

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
let state = seed >>> 0;
const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
const space = (): string => pick(['', '', '', ' ', '\t', '\r\n', '  \n ']);

/** JSON text as clients may write it: extreme numbers, escapes, lone surrogates, doubled names, unusual white space. */
function json(depth: number): string {
  const kind = depth > 3 ? Math.floor(random() * 4) : Math.floor(random() * 6);
  switch (kind) {
    case 0:
      return pick([
        '9223372036854775807',
        '-9223372036854775808',
        '18446744073709551616',
        '1.10',
        '-0',
        '1e400',
        '0.1000000000000000055511151231257827',
      ]);
    case 1:
      return pick(['true', 'false', 'null']);
    case 2:
      return pick(['""', '"\\ud800"', '"\\u0000"', '"é\u2028"', '"\\/\\u002f"', '"😀"', '"a\\"b"']);
    case 3:
      return `"${'x'.repeat(Math.floor(random() * 200))}"`;
    case 4:
      return `[${space()}${Array.from({ length: Math.floor(random() * 4) }, () => json(depth + 1)).join(`${space()},${space()}`)}${space()}]`;
    default:
      return object(depth + 1);
  }
}

const object = (depth: number): string =>
  `{${space()}${Array.from({ length: Math.floor(random() * 4) }, () => `${pick(['"a"', '"A"', '"a"', '"query"', '"\\u0061"'])}${space()}:${space()}${json(depth)}`).join(`${space()},${space()}`)}${space()}}`;

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

test('params as a node gets them and results as a client gets them are the same bytes', async () => {
  const node = harness.oldNodes[0]!;
  for (let i = 0; i < 400; i++) {
    const params = object(0);
    const result = json(0);
    node.answers.set('user.num_accounts', () => ({ result }));
    node.calls.length = 0;
    const { text } = await harness.post(
      `{${space()}"jsonrpc":"2.0",${space()}"params":${params}${space()},"method":"user.num_accounts","id":${i}}`,
    );
    const again = `seed ${seed}, step ${i}; repeat with SEED=${seed}`;
    const sent = node.calls.find(call => call.method === 'user.num_accounts');
    expect(sent?.body.slice('{"jsonrpc":"2.0","id":1,"method":"user.num_accounts","params":'.length, -1), again).toBe(
      params,
    );
    expect(sha(text), again).toBe(sha(`{"jsonrpc":"2.0","id":${i},"result":${result}}`));
  }
}, 60_000);

test('10^5 random values each way, many in one call', async () => {
  const node = harness.oldNodes[0]!;
  const VALUES = 2000;
  for (let round = 0; round < 50; round++) {
    const values = (): string =>
      `[${Array.from({ length: VALUES }, () => `${space()}${scalar()}${space()}`).join(',')}]`;
    const params = `{"values":${values()}}`;
    const result = values();
    node.answers.set('user.num_accounts', () => ({ result }));
    node.calls.length = 0;
    const { text } = await harness.post(
      `{"jsonrpc":"2.0","id":${round},"method":"user.num_accounts","params":${params}}`,
    );
    const again = `seed ${seed}, round ${round}; repeat with SEED=${seed}`;
    const sent = node.calls.find(call => call.method === 'user.num_accounts');
    expect(sha(sent!.body), again).toBe(
      sha(`{"jsonrpc":"2.0","id":1,"method":"user.num_accounts","params":${params}}`),
    );
    expect(sha(text), again).toBe(sha(`{"jsonrpc":"2.0","id":${round},"result":${result}}`));
  }
}, 60_000);

/** int64 and decimals of every length, escapes of every kind, lone surrogates, text as it comes. */
function scalar(): string {
  const digits = (count: number): string => Array.from({ length: count }, () => Math.floor(random() * 10)).join('');
  switch (Math.floor(random() * 6)) {
    case 0:
      return `${pick(['', '-'])}${pick(['9223372036854775807', '9223372036854775808', '0', `1${digits(Math.floor(random() * 40))}`])}`;
    case 1:
      return `${pick(['', '-'])}0.${digits(1 + Math.floor(random() * 30))}${pick(['', '0', 'e5', 'E-7', 'e+300'])}`;
    case 2:
      return `"\\u${pick(['d8', 'D9', 'dc', 'DF', '00', '20'])}${pick(['00', '0a', '28', 'fF'])}"`;
    case 3:
      return pick(['true', 'false', 'null', '{}', '[]', '{"":""}', '" "', '"\\\\\\""', '"\\t\\b\\f"']);
    case 4:
      return JSON.stringify(
        String.fromCodePoint(...Array.from({ length: 8 }, () => 0x20 + Math.floor(random() * 0xd000))),
      );
    default:
      return `"${digits(Math.floor(random() * 60))}"`;
  }
}

test('every recorded call of real nodes and clients, and every recorded result', async () => {
  const node = harness.oldNodes[0]!;
  // Recorded answers tell of blocks that this network has to have, or nobody may be shown its state.
  harness.old.height = 1_000_000;
  await harness.probe();
  let params = 0;
  let results = 0;
  for (const file of exchangeFiles()) {
    for (const { name, request, response } of exchanges(file)) {
      const call = request.body?.match(/"method":"([a-z_.]+)","params":(\{.*\})\}$/s);
      const answer = response.body?.match(/^\{"jsonrpc":"2\.0","id":[^,]*,"result":(.*)\}$/s);
      if (call === null || call === undefined || answer === null || answer === undefined) continue;
      // Writes have a path of their own; a challenge that nobody here issued is answered without a node.
      if (call[1] === 'user.broadcast' || /challenge/i.test(call[2]!) || !isJson(call[2]!)) continue;
      const method = call[1] as keyof typeof METHOD_CLASSES;
      if (METHOD_CLASSES[method] === undefined || PROBES.has(method)) continue;
      node.answers.set(method, () => ({ result: answer[1]! }));
      node.calls.length = 0;
      const { text } = await harness.post(`{"jsonrpc":"2.0","id":"x","method":"${method}","params":${call[2]}}`);
      const sent = node.calls.find(seen => seen.method === method);
      // A final answer about a transaction is given again from memory.
      if (sent !== undefined || !/tx/.test(method)) {
        params++;
        expect(sha(sent?.body ?? text), `${file}: ${name} ${method}`).toBe(
          sha(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${call[2]}}`),
        );
        expect(sha(text), `${file}: ${name}`).toBe(sha(`{"jsonrpc":"2.0","id":"x","result":${answer[1]}}`));
        results++;
      }
      node.answers.delete(method);
    }
  }
  expect(params).toBeGreaterThan(500);
  expect(results).toBe(params);
}, 120_000);

/** The gateway's own looks at a node would take recorded answers of other networks for this one's. */
const PROBES: ReadonlySet<string> = new Set(['user.health', 'user.version', 'user.migration_status']);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHarness, type Harness } from './harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await createHarness({ oldCount: 1 });
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

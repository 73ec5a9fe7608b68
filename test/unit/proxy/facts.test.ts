import { expect, test } from 'vitest';
import { normalHash, readFacts } from '../../../src/proxy/facts.js';
import { minedHeight } from '../../../src/proxy/memory.js';
import { NO_FACTS } from '../../../src/routing/index.js';

const of = (method: string, params: string) => readFacts(method, Buffer.from(params));
const HEX = 'ab'.repeat(32);

test('the look-up of kwil-js before a write, a challenge, a pending account and hashes are seen', () => {
  expect(of('user.query', '{"query":"SELECT * FROM info.actions WHERE namespace = $namespace"}').actionLookup).toBe(
    true,
  );
  expect(of('user.query', '{"query":"SELECT 1"}')).toBe(NO_FACTS);
  const b64 = Buffer.from(HEX, 'hex').toString('base64');
  expect(of('user.call', `{"body":{"payload":"","challenge":"${b64}"}}`).challenge).toBe(HEX);
  expect(of('user.call', `{"body":{"payload":"","Ch\\u0061llenge":"${b64}"}}`).challenge).toBe(HEX);
  expect(of('user.call', '{"body":{"payload":"","challenge":null}}').challenge).toBeNull();
  expect(of('user.authenticated_query', `{"body":{},"Challenge":"${b64}"}`).challenge).toBe(HEX);
  expect(of('user.account', '{"id":{},"status":1}').pending).toBe(true);
  expect(of('user.account', '{"id":{}}').pending).toBe(false);
  expect(of('user.tx_query', `{"tx_hash":"${HEX.toUpperCase()}"}`).hash).toBe(HEX);
  expect(of('user.tx_query', '{"tx_ha').hash).toBeNull();
  expect(readFacts('user.call', null)).toBe(NO_FACTS);
});

test('a hash in the form that kwil-js hands to its users is the same hash', () => {
  const wire = '0123456789abcdef'.repeat(4);
  const user = 'd35db7e39ebbf3d69b71d79f'.repeat(4);
  expect(normalHash(user)).toBe(wire);
  expect(normalHash(Buffer.from(HEX, 'hex').toString('base64'))).toBe(HEX);
  for (const other of [null, 5, '', 'xyz', HEX.slice(2), `0x${HEX}`]) expect(normalHash(other)).toBeNull();
});

test('only what is in a block, with its result, is final', () => {
  const answer = (height: number, result: string): Buffer =>
    Buffer.from(
      `{"jsonrpc":"2.0","id":1,"result":{"tx_hash":"${HEX}","height":${height},"tx":{},"tx_result":${result}}}`,
    );
  expect(minedHeight(answer(121, '{"code":0,"gas":0}'))).toBe(121);
  expect(minedHeight(answer(-1, 'null'))).toBeNull();
  expect(minedHeight(answer(121, 'null'))).toBeNull();
  expect(minedHeight(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{}}'))).toBeNull();
});

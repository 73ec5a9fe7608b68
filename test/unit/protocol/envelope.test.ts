import { describe, expect, it } from 'vitest';
import {
  buildEnvelope,
  isBatch,
  restoreId,
  rpcBatch,
  rpcError,
  rpcResult,
  scanAnswer,
  scanBatch,
  scanBroadcast,
  scanEnvelope,
  scanMembers,
  sliceOf,
  skipValue,
  utf8Bytes,
  type Slice,
} from '../../../src/protocol/index.js';
import { dice, SEED } from './property.js';

const b = (text: string): Buffer => Buffer.from(text);
const text = (body: Uint8Array, slice: Slice | null): string | null =>
  slice === null ? null : Buffer.from(sliceOf(body, slice)).toString();

describe('requests', () => {
  it.each([
    '0',
    '""',
    'null',
    '9223372036854775808',
    '-0',
    '1.0e0',
    '"\\u0041"',
    '[1, 2]',
    '{ "a" : 1 }',
    'false',
    '"é"',
  ])('an id %s comes back byte for byte', id => {
    const body = b(`{"jsonrpc":"2.0","id": ${id} ,"method":"user.ping"}`);
    const scan = scanEnvelope(body);
    if (!scan.ok) throw new Error(scan.message);
    expect(text(body, scan.id)).toBe(id);
    const answer = restoreId(b('{"jsonrpc":"2.0","id":7,"result":{"message":"pong"}}'), 7, sliceOf(body, scan.id!));
    expect(answer!.toString()).toBe(`{"jsonrpc":"2.0","id":${id},"result":{"message":"pong"}}`);
  });

  it('params are the very bytes between comma and comma', () => {
    const params = '{ "b" : 18446744073709551616 , "a":"\\ud800", "a":[1.0e5 ] }';
    const body = b(`{"params":${params} ,"method":"user.query","id":1,"jsonrpc":"2.0"}`);
    const scan = scanEnvelope(body);
    if (!scan.ok) throw new Error(scan.message);
    expect(text(body, scan.params)).toBe(params);
    expect(buildEnvelope(3, scan.method, sliceOf(body, scan.params!)).toString()).toBe(
      `{"jsonrpc":"2.0","id":3,"method":"user.query","params":${params}}`,
    );
    expect(buildEnvelope(b('"x"'), 'user.ping', null).toString()).toBe(
      '{"jsonrpc":"2.0","id":"x","method":"user.ping"}',
    );
  });

  it('without an id are notifications, with an id of null they are not', () => {
    expect(scanEnvelope(b('{"jsonrpc":"2.0","method":"user.ping"}'))).toMatchObject({ ok: true, id: null });
    expect(scanEnvelope(b('{"jsonrpc":"2.0","method":"user.ping","id":null}'))).toMatchObject({ ok: true, id: {} });
  });

  it.each([
    ['a duplicate', '{"jsonrpc":"2.0","id":5,"method":"a.b","method":"a.b"}'],
    ['a duplicate in another spelling', '{"jsonrpc":"2.0","id":5,"method":"a.b","Method":"c.d"}'],
    ['another spelling alone', '{"jsonrpc":"2.0","id":5,"METHOD":"a.b"}'],
    ['a long s', '{"jsonrpc":"2.0","id":5,"method":"a.b","paramſ":{}}'],
    ['a duplicate behind escapes', '{"jsonrpc":"2.0","id":5,"method":"a.b","m\\u0065thod":"c.d"}'],
    ['an unknown member', '{"jsonrpc":"2.0","id":5,"method":"a.b","x":1}'],
  ])('with %s are refused, and the id is known', (_name, request) => {
    const scan = scanEnvelope(b(request));
    expect(scan).toMatchObject({ ok: false, reason: 'bad_envelope', httpStatus: 200 });
    expect(scan.ok ? null : Buffer.from(scan.id!).toString()).toBe('5');
  });

  it.each([
    ['a byte-order mark', '\ufeff{"jsonrpc":"2.0","id":1,"method":"a.b"}'],
    ['a raw control character', '{"jsonrpc":"2.0","id":"\u0001","method":"a.b"}'],
    ['a bad escape', '{"jsonrpc":"2.0","id":"\\x","method":"a.b"}'],
    ['a cut escape', '{"jsonrpc":"2.0","id":"\\u12'],
    ['a leading zero', '{"jsonrpc":"2.0","id":01,"method":"a.b"}'],
    ['a bare point', '{"jsonrpc":"2.0","id":1.,"method":"a.b"}'],
    ['a trailing comma', '{"jsonrpc":"2.0","id":1,"method":"a.b",}'],
    ['single quotes', "{'jsonrpc':'2.0'}"],
    ['NaN', '{"jsonrpc":"2.0","id":NaN,"method":"a.b"}'],
    ['an unbalanced value', '{"jsonrpc":"2.0","id":1,"method":"a.b","params":{]}}'],
    ['a second object', '{"jsonrpc":"2.0","id":1,"method":"a.b"}{}'],
    ['nothing', ''],
    ['white space only', ' \n'],
  ])('with %s are no JSON', (_name, request) => {
    expect(scanEnvelope(b(request))).toMatchObject({ ok: false, reason: 'node', code: -32700, httpStatus: 400 });
  });

  it('that are huge or deep are read to the end without recursion', () => {
    const size = 6_000_000;
    const wrap = (params: Buffer): Buffer =>
      Buffer.concat([b('{"jsonrpc":"2.0","id":1,"method":"user.query","params":'), params, b('}')]);
    const refused = [
      Buffer.alloc(size, '['),
      Buffer.alloc(size, '{"a":'),
      wrap(Buffer.alloc(size, '[')),
      wrap(Buffer.alloc(size, '"\\')),
      b(`{${'"a":1,'.repeat(900_000)}`),
    ];
    for (const body of refused) expect(scanEnvelope(body).ok).toBe(false);
    const accepted = [
      wrap(Buffer.concat([b('"'), Buffer.alloc(size, '\\u0041'), b('"')])),
      wrap(Buffer.alloc(size, '7')),
      wrap(b(`{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`).join(',')}}`)),
      wrap(b(`[${'[],'.repeat(900_000)}0]`)),
    ];
    for (const body of accepted) expect(scanEnvelope(body).ok).toBe(true);
    expect(scanEnvelope(wrap(b('['.repeat(127) + ']'.repeat(127)))).ok).toBe(true);
    expect(scanEnvelope(wrap(b('['.repeat(129) + ']'.repeat(129)))).ok).toBe(false);
  });

  it('never make the scanner throw, whatever the bytes', () => {
    const d = dice(SEED);
    const alphabet = b('{}[]":,\\ue0 \ntfnull2.-');
    for (let i = 0; i < 20_000; i++) {
      const body = Buffer.from(
        Array.from({ length: d.next(30) }, () => (d.next(20) === 0 ? d.next(256) : alphabet[d.next(alphabet.length)]!)),
      );
      const valid = ((): boolean => {
        try {
          JSON.parse(body.toString('latin1'));
          return true;
        } catch {
          return false;
        }
      })();
      const start = body.findIndex(byte => !' \n\r\t'.includes(String.fromCharCode(byte)));
      const end = start < 0 ? -1 : skipValue(body, start);
      const whole = end >= 0 && body.subarray(end).every(byte => ' \n\r\t'.includes(String.fromCharCode(byte)));
      expect(whole, `seed ${SEED}: ${body.toString('latin1')}`).toBe(valid);
      scanEnvelope(body);
      scanBatch(body);
      scanAnswer(body);
    }
  });
});

describe('batches', () => {
  it('are split into the bytes of their items', () => {
    const body = b(' [ {"a":[1,2]} , 5,"x]" ] ');
    expect(isBatch(body)).toBe(true);
    const scan = scanBatch(body);
    if (!scan.ok) throw new Error(scan.message);
    expect(scan.items.map(item => text(body, item))).toEqual(['{"a":[1,2]}', '5', '"x]"']);
  });

  it('are refused when empty, too long or malformed', () => {
    expect(scanBatch(b('[]'))).toMatchObject({ ok: false, reason: 'bad_envelope' });
    expect(scanBatch(b(`[${'1,'.repeat(50)}1]`))).toMatchObject({ ok: false, reason: 'bad_envelope' });
    expect(scanBatch(b(`[${'1,'.repeat(49)}1]`))).toMatchObject({ ok: true });
    for (const bad of ['[1', '[1,]', '[1]x', '[,]', '[1 2]'])
      expect(scanBatch(b(bad))).toMatchObject({ ok: false, code: -32700 });
  });

  it('answers are joined in order', () => {
    expect(rpcBatch([]).toString()).toBe('[]');
    expect(rpcBatch([rpcResult(b('1'), '{}'), rpcResult(b('"a"'), b('2'))]).toString()).toBe(
      '[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":"a","result":2}]',
    );
  });
});

describe('broadcasts', () => {
  const scan = (params: string): ReturnType<typeof scanBroadcast> =>
    scanBroadcast(b(params), { start: 0, end: b(params).length });

  it('tell their chain id', () => {
    expect(scan('{"tx":{"body":{"chain_id":"old-net","x":{}},"signature":null},"sync":1}')).toMatchObject({
      ok: true,
      chainId: 'old-net',
      signature: null,
      sync: 1,
    });
  });

  it('without tx, body or chain id are facts, not guesses', () => {
    expect(scanBroadcast(b('x'), null)).toMatchObject({ ok: true, tx: null, body: null, chainId: null });
    expect(scan('{"tx":null}')).toMatchObject({ ok: true, tx: null });
    expect(scan('{"tx":{"body":null,"signature":{}}}')).toMatchObject({ ok: true, body: null, chainId: null });
    expect(scan('{"tx":{"body":{}}}')).toMatchObject({ ok: true, chainId: '', signature: null });
  });

  it.each([
    ['{"tx":{"body":{"chain_id":"a"}},"TX":{}}', 'params'],
    ['{"tx":{"body":{"chain_id":"a"},"Body":{"chain_id":"b"}}}', 'tx'],
    ['{"tx":{"body":{"chain_id":"a","chain_id":"b"}}}', 'body'],
    ['{"tx":{"body":{"chain_id":"a","CHAIN_ID":"b"}}}', 'body'],
    ['{"tx":{"body":{"chain_id":"a","payLoad":""}}}', 'body'],
    ['{"tx":{"signature":{"sig":"","ſig":""},"body":{}}}', 'signature'],
    ['{"tx":{"body":[]}}', 'body'],
    ['["tx"]', 'params'],
  ])('%s is refused', (params, what) => {
    expect(scan(params)).toMatchObject({ ok: false, code: -32602 });
    expect((scan(params) as { message: string }).message).toContain(what);
  });

  it.each([
    '{"tx":{"body":{"chain_id":5}}}',
    '{"tx":{"body":{}},"sync":"1"}',
    '{"tx":{},"sync":1e0}',
    '{"tx":{},"sync":-1}',
  ])('%s has a member of the wrong kind', params => {
    expect(scan(params)).toMatchObject({ ok: false, code: -32602 });
  });

  it('the Kelvin sign is a k to a node', () => {
    expect(scanMembers(b('{"\u212aey":1}'), 0, ['key'])).toMatchObject({ ok: false, problem: 'ambiguous' });
  });
});

describe('answers', () => {
  it('of another request are not taken', () => {
    expect(restoreId(b('{"jsonrpc":"2.0","id":8,"result":{}}'), 7, b('1'))).toBeNull();
    expect(restoreId(b('RPC timeout'), 7, b('1'))).toBeNull();
    expect(restoreId(b('{"jsonrpc":"2.0","id":7,"result":{'), 7, b('1'))).toBeNull();
  });

  it('that the node could not address are still ours', () => {
    const timeout = '{"jsonrpc":"2.0","id":-1,"error":{"code":-32001,"message":"RPC timeout"}}';
    expect(restoreId(b(timeout), 7, b('"q"'))!.toString()).toBe(timeout.replace('-1', '"q"'));
    const noId = '{"jsonrpc":"2.0","error":{"code":-32600,"message":"x"}}';
    expect(restoreId(b(noId), 7, b('"q"'))!.toString()).toBe(
      '{"jsonrpc":"2.0","id":"q","error":{"code":-32600,"message":"x"}}',
    );
  });

  it('in an unusual form are taken apart as well', () => {
    const answer = b('{ "result" : [1, 2] , "id" : 7, "jsonrpc":"2.0" }\n');
    const scan = scanAnswer(answer);
    expect(scan.kind === 'result' && text(answer, scan.result)).toBe('[1, 2]');
    expect(restoreId(answer, 7, b('1'))!.toString()).toBe('{"jsonrpc":"2.0","id":1,"result":[1, 2]}');
  });

  it('of our own have the shape of a node’s', () => {
    expect(rpcError(null, { code: -32600, message: 'a<b' }).toString()).toBe(
      '{"jsonrpc":"2.0","error":{"code":-32600,"message":"a\\u003cb"}}',
    );
    expect(rpcError(utf8Bytes('1'), { code: -201, message: 'm', data: { code: 5 } }).toString()).toBe(
      '{"jsonrpc":"2.0","id":1,"error":{"code":-201,"message":"m","data":{"code":5}}}',
    );
  });
});

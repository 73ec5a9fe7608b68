import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explanation } from '../../../src/admin/contract.js';
import { loadConfig } from '../../../src/config/index.js';
import { explainOffline } from '../../../src/gateway/explain.js';

const { config } = loadConfig({ env: {}, file: resolve(import.meta.dirname, '../../../config/switchyard.yaml') });
const explain = (request: string) => explanation.parse(explainOffline(config, Buffer.from(request)));
const call = (method: string): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: {} });

describe('explaining without a gateway', () => {
  test.each([
    ['user.num_accounts', 'read', 'forward', 'reads'],
    ['user.call', 'read', 'refuse', 'shielded'],
    ['user.chain_info', 'write-affine', 'forward', 'affine'],
    ['admin.peers', 'denied', 'refuse', 'method_denied'],
    ['user.no_such', 'denied', 'refuse', 'method_denied'],
  ])('%s is %s: %s, %s', (method, cls, kind, reason) => {
    expect(explain(call(method))).toMatchObject({ method, class: cls, decision: { kind, reason } });
  });

  test('says that writes go to the old network, where every configured node counts as up', () => {
    expect(explain(call('user.num_accounts')).facts).toEqual(
      expect.arrayContaining(['writes: send old', 'nodes of old, best first: old-1 (up, 0)']),
    );
  });

  test.each(['', '[]', '[1]', '{', 'null', '{"jsonrpc":"2.0","id":1,"method":"user.call","Method":"user.broadcast"}'])(
    '%j is refused, not thrown',
    request => {
      expect(explain(request)).toMatchObject({ decision: { kind: 'refuse', reason: 'bad_envelope' } });
    },
  );
});

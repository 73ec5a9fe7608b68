import { afterEach, describe, expect, it } from 'vitest';
import { broadcast, fakeDevnet, K2, putTx, QUICK, result, rpc } from './support.js';

interface Status {
  readonly status: {
    readonly status: string;
    readonly start_height?: number;
    readonly end_height?: number;
    readonly chain_height?: number;
  };
}

describe('a migration between two devnet networks', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  afterEach(() => devnet.stop());

  it('carries every write of the window to the new network, without a gateway', { timeout: 60_000 }, async () => {
    devnet = fakeDevnet();
    const old = devnet.createNetwork({ name: 'old', chainId: 'c-old', nodes: 2, ...QUICK });
    await old.start();
    let nonce = 0;
    const write = async (key: string, value: string): Promise<void> => {
      const sent = await broadcast(old.urls[nonce % 2]!, putTx(K2, 'c-old', ++nonce, key, value), 1);
      expect(sent.text).toContain('"code":0');
    };
    await write('before', '1');
    const { start, end } = await old.proposeMigration({ activationPeriod: 4, duration: 25 });
    expect(end).toBe(start + 25);
    expect(await result<Status>(old.urls[0]!, 'user.migration_status')).toMatchObject({
      status: { status: 'ActivationPeriod', start_height: start, end_height: end },
    });

    const fresh = devnet.createNetwork({
      name: 'new',
      chainId: 'c-new',
      nodes: 3,
      migrateFrom: old.urls[0]!,
      ...QUICK,
    });
    await fresh.start();
    for (let i = 0; old.height() < end - 6; i++) await write(`k${i % 7}`, String(i));
    await old.waitForStatus('MigrationCompleted');
    await fresh.waitForStatus('NoActiveMigration', 20_000);

    const rows = devnet.engines.map(engine => [...engine.rows()].sort());
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[1]!.length).toBeGreaterThan(7);
    const refused = await broadcast(old.urls[0]!, putTx(K2, 'c-old', nonce + 1, 'late', '1'));
    expect(refused.json).toMatchObject({
      error: { code: -201, data: { code: 201, message: 'network is halted following migration' } },
    });
    expect(await result<Status>(fresh.urls[0]!, 'user.migration_status')).toMatchObject({
      status: { status: 'NoActiveMigration', start_height: start, end_height: end },
    });
    expect((await rpc(old.urls[0]!, 'user.changeset_metadata', { height: end + 1 })).status).toBe(500);
    expect(fresh.blocks()[0]!.height).toBe(start + 1);
    expect(old.height()).toBe(end);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { application, createScene, NEW_CHAIN, OLD_CHAIN, type Scene } from '../support/scene.js';

const item = (op: string, id: number) => ({
  namespace: 'demo',
  name: 'touch_item',
  inputs: [{ $op: op, $id: id, $owner: 1, $label: `by ${op}` }],
});

/** What an application finds in the message of a kwil-js error: the data of the JSON-RPC error. */
function refusalOf(thrown: unknown): Record<string, unknown> {
  const text = (thrown as Error).message;
  return JSON.parse(text.slice(text.indexOf('data: ') + 6)) as Record<string, unknown>;
}

async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('an application with an unmodified kwil-js, through a whole migration', () => {
  let scene: Scene;
  let hashBefore = '';
  let hashAfter = '';
  beforeAll(async () => void (scene = await createScene()));
  afterAll(() => scene?.close());

  const oldApp = () => application(scene.url, OLD_CHAIN, 0x21);
  const newApp = () => application(scene.url, NEW_CHAIN, 0x21);
  const labelOf = async (id: number): Promise<string | undefined> => {
    const { kwil } = oldApp();
    const rows = await kwil.selectQuery<{ label: string }>('{demo}SELECT label FROM items WHERE id = $id', { $id: id });
    return rows.data?.[0]?.label;
  };

  test('before: it reads, writes, calls a view, and sees what it wrote', async () => {
    const { kwil, signer } = oldApp();
    expect((await kwil.chainInfo()).data?.chain_id).toBe(OLD_CHAIN);
    const done = await kwil.execute(item('before', 1), signer, true);
    hashBefore = done.data!.tx_hash;
    expect(await labelOf(1)).toBe('by before');
    const view = await kwil.call({ namespace: 'demo', name: 'get_item', inputs: { $id: 1 } }, signer);
    expect((view.data?.result as { label: string }[])[0]?.label).toBe('by before');
  });

  test('before: a transaction that names the new chain is refused with what to do', async () => {
    const { kwil, signer } = newApp();
    const refusal = refusalOf(await thrownBy(() => kwil.execute(item('early', 1), signer, true)));
    expect(refusal).toMatchObject({ reason: 'chain_not_open', executed: 'no', chainId: OLD_CHAIN });
  });

  test('during: writes by a new account and deletes reach the new network', async () => {
    const window = await scene.migrate(160);
    expect(window.end - window.start).toBe(160);
    const stranger = application(scene.url, OLD_CHAIN, 0x22);
    await stranger.kwil.execute(item('during-1', 2), stranger.signer, true);
    await stranger.kwil.execute(item('during-2', 3), stranger.signer, true);
    await stranger.kwil.execute(
      { namespace: 'demo', name: 'drop_item', inputs: [{ $op: 'during-3', $id: 4, $owner: 1 }] },
      stranger.signer,
      true,
    );
    expect(await labelOf(3)).toBe('by during-2');
    expect(await labelOf(4)).toBeUndefined();
  });

  test('the switch: a write that is under way is either done or answered, never both', async () => {
    const { kwil, signer } = oldApp();
    const writes = (async () => {
      const outcomes: string[] = [];
      for (let n = 0; n < 200; n += 1) {
        try {
          await kwil.execute(item(`race-${n}`, 5), signer, true);
          outcomes.push('done');
        } catch (error) {
          outcomes.push(String(refusalOf(error)['reason']));
          if (outcomes.at(-1) === 'chain_switched') return outcomes;
        }
      }
      return outcomes;
    })();
    await scene.admin('POST', '/v1/cutover/start', { reason: 'test' });
    await scene.waitForPhase('switched');
    const outcomes = await writes;
    expect(outcomes.at(-1)).toBe('chain_switched');
    expect(new Set(outcomes.slice(0, -1))).toEqual(outcomes.length > 1 ? new Set(['done']) : new Set());
    const { kwil: reader } = newApp();
    const done = await reader.selectQuery<{ n: string }>(
      `{demo}SELECT count(*) AS n FROM receipts WHERE op LIKE 'race-%'`,
    );
    expect(Number(done.data![0]!.n)).toBe(outcomes.length - 1);
  });

  test('after: signing for the old chain is answered with chain_switched; signing again with the new chain and its fresh nonce succeeds', async () => {
    const before = oldApp();
    const refusal = refusalOf(await thrownBy(() => before.kwil.execute(item('after', 1), before.signer, true)));
    expect(refusal).toMatchObject({ reason: 'chain_switched', executed: 'no', chainId: NEW_CHAIN });
    const { kwil, signer } = application(scene.url, refusal['chainId'] as string, 0x21);
    expect((await kwil.chainInfo()).data?.chain_id).toBe(NEW_CHAIN);
    hashAfter = (await kwil.execute(item('after', 1), signer, true)).data!.tx_hash;
    expect(await labelOf(1)).toBe('by after');
  });

  test('after: old and new transactions are both found under the one URL', async () => {
    const { kwil } = newApp();
    expect((await kwil.txInfo(hashBefore)).data).toMatchObject({ tx_result: { code: 0 } });
    expect((await kwil.txInfo(hashAfter)).data).toMatchObject({ tx_result: { code: 0 } });
  });

  test(
    'at the end: the old network halts, the new one finishes, the gateway settles, and both agree',
    { timeout: 120_000 },
    async () => {
      await scene.old.waitForStatus('MigrationCompleted', 60_000);
      await scene.fresh.waitForStatus('NoActiveMigration', 30_000);
      await scene.waitForPhase('settled', 30_000);
      expect(await labelOf(2)).toBe('by during-1');
      const { kwil, signer } = newApp();
      await kwil.execute(item('settled', 2), signer, true);
      expect(await labelOf(2)).toBe('by settled');
    },
  );
});

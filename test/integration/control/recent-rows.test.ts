import { afterEach, expect, test } from 'vitest';
import { application, createScene, NEW_CHAIN, OLD_CHAIN, type Scene } from '../../support/scene.js';

let scene: Scene | null = null;
afterEach(async () => {
  await scene?.close();
  scene = null;
});

interface History {
  readonly attempts: readonly { readonly result: string | null; readonly outcome: string | null }[];
}

async function touch(url: string, chainId: string, op: string, label: string): Promise<void> {
  const { kwil, signer } = application(url, chainId, 0x21);
  const inputs = [{ $op: op, $id: 7, $owner: 0, $label: label }];
  await kwil.execute({ namespace: 'demo', name: 'touch_item', inputs }, signer, true);
}

async function readyWithRecentRow(): Promise<Scene> {
  const made = await createScene();
  scene = made;
  await made.migrate(1000);
  await touch(made.url, OLD_CHAIN, 'op-1', 'last before the switch');
  const height = made.old.height();
  for (let tries = 0; tries < 300; tries += 1) {
    const { replication, phase } = made.gateway.status();
    if (phase === 'ready' && (replication.applied ?? 0) >= height) return made;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('the change did not arrive on the new network');
}

test('rows changed last are equal: the switch happens', { timeout: 60_000 }, async () => {
  const ready = await readyWithRecentRow();
  await ready.admin('POST', '/v1/cutover/start', { reason: 'test' });
  await ready.waitForPhase('switched');
});

test(
  'a row changed last that differs aborts the attempt and leaves writes on the old network',
  { timeout: 60_000 },
  async () => {
    const ready = await readyWithRecentRow();
    await touch(ready.fresh.urls[0]!, NEW_CHAIN, 'op-2', 'changed by another hand');
    await ready.admin('POST', '/v1/cutover/start', { reason: 'test' });
    for (let tries = 0; tries < 200; tries += 1) {
      const { attempts } = await ready.admin<History>('GET', '/v1/cutover/history');
      if (typeof attempts[0]?.result === 'string') break;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    const { attempts } = await ready.admin<History>('GET', '/v1/cutover/history');
    expect(attempts[0]).toMatchObject({ result: 'aborted' });
    expect(attempts[0]!.outcome).toMatch(/1 of the rows changed last differ/);
    expect(ready.gateway.status().writeNetwork).toBe('old');
  },
);

import { afterAll, beforeAll, describe, it } from 'vitest';
import { createDevnet, type Devnet } from '../../../src/devnet/index.js';
import { requireAgreement } from './agreement.js';
import { closeConnections } from './http.js';
import { startOffline, type Offline } from './offline.js';
import { startRolling, type Rolling } from './rolling.js';
import { createJumpingClock } from './situation.js';

/*
 * Recordings of rolling upgrades and offline migrations. Each test continues where the one before ended.
 */
describe('the devnet answers as the recorded networks whose nodes come and go', () => {
  const clock = createJumpingClock();
  let devnet: Devnet;
  let rolling: Rolling;
  let offline: Offline;

  beforeAll(async () => {
    devnet = createDevnet({ clock });
    rolling = await startRolling(devnet, clock);
    offline = await startOffline(devnet, clock);
  });
  afterAll(async () => {
    await devnet.stop();
    closeConnections();
  });

  it('rolling-syncing: a node in catch-up', async () => {
    requireAgreement(await rolling.syncing());
  });
  it('rolling-leader-down: what a follower says while the leader is away', async () => {
    requireAgreement(await rolling.leaderDown());
  });
  it('rolling-replace-leader: a dead leader is replaced, and a hand-over while all are up', async () => {
    requireAgreement(await rolling.replaceLeader());
  });
  it('rolling-fork: a changed row, the end of the odd follower, the end of the odd leader', async () => {
    requireAgreement(await rolling.fork());
  });

  it('offline-old: before the stop, frozen, and with the old leader back', async () => {
    requireAgreement(await offline.old());
  });
  it('rolling-no-majority: the leader alone', async () => {
    requireAgreement(await offline.noMajority());
  });
  it('offline-new: from the snapshot, from another height, unverified, and a node with another snapshot', async () => {
    requireAgreement(await offline.fresh());
  });
}, 90_000);

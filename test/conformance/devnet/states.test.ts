import { afterAll, beforeAll, describe, it } from 'vitest';
import { requireAgreement } from './agreement.js';
import { replayDumping } from './dumping.js';
import { createLaboratory, type Laboratory } from './laboratory.js';
import { replayPrivateState } from './private-mode.js';
import { replayRefusals } from './refusals.js';
import { startThreeValidators, type ThreeValidators } from './three-validators.js';

describe('the devnet answers as the other recorded networks', () => {
  let laboratory: Laboratory;
  let three: ThreeValidators;

  beforeAll(() => {
    laboratory = createLaboratory();
  });
  afterAll(() => laboratory.stop());

  it('refusals: every payload type in every state of a migration', async () => {
    requireAgreement(await replayRefusals(laboratory));
  });

  it('state-old-dumping: the status while the genesis dump runs', async () => {
    requireAgreement(await replayDumping(laboratory));
  });

  it('state-private', async () => {
    requireAgreement(await replayPrivateState(laboratory));
  });

  it('state-old3-activation: three validators', async () => {
    three = await startThreeValidators(laboratory);
    requireAgreement(await three.replayActivation());
  });

  it('state-new-before-first-block: one validator of three is up', async () => {
    requireAgreement(await three.replayBeforeFirstBlock());
  });
}, 60_000);

import { afterAll, beforeAll, describe, it } from 'vitest';
import { requireAgreement } from './agreement.js';
import { createLaboratory, type Laboratory } from './laboratory.js';
import { startJourney, type Journey } from './one-validator.js';

/*
 * One pair of networks through a whole migration, as it was recorded: each test continues where the one before ended.
 */
describe('the devnet answers as the recorded networks with one validator', () => {
  let laboratory: Laboratory;
  let journey: Journey;

  beforeAll(async () => {
    laboratory = createLaboratory();
    journey = await startJourney(laboratory);
  });
  afterAll(() => laboratory.stop());

  const agrees = (file: string): void => {
    it(file, async ({ annotate }) => {
      const { total, agree, equal } = requireAgreement(await journey.replay(file));
      await annotate(`${agree} of ${total} agree, ${equal} to the last value`);
    });
  };

  agrees('state-old-fresh');
  agrees('framing');
  agrees('state-old-seeded');
  agrees('kwil-js-normal');
  agrees('kwil-cli-normal');
  it('takes the recorded proposal', () => journey.propose());
  agrees('state-old-activation');
  agrees('kwil-cli-activation');
  it('state-old-start', async () => {
    requireAgreement(await journey.replayStart());
  });
  agrees('state-old-in-progress');
  agrees('kwil-js-migration');
  agrees('kwil-cli-migration');
  it('starts the new network from the genesis snapshot', () => journey.attach());
  agrees('state-new-genesis-migration');
  it('lets the listener of the new network go on', () => journey.listen());
  agrees('state-old-near-end');
  it('comes to End on both networks', () => journey.finish());
  agrees('state-old-completed');
  agrees('kwil-js-halted');
  agrees('kwil-cli-halted');
  agrees('state-new-after-end');
  agrees('kwil-js-new-network');
  agrees('kwil-cli-new-network');
  agrees('kwil-cli-account');
}, 60_000);

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { goldenJson } from '../../support/golden.js';
import { compareJson } from './compare.js';
import { startForwarder } from './forwarder.js';
import { createApplication, STEPS } from './kwil-js-steps.js';
import { createLaboratory, type Laboratory } from './laboratory.js';
import { startJourney, type Journey } from './one-validator.js';
import type { Json } from './recordings.js';

/*
 * The application that was recorded with kwil-js 0.9.4 runs again, against the devnet: kwil-js has to send the recorded
 * requests, and to give its user what it gave then.
 */
describe('kwil-js 0.9.4 cannot tell the devnet from the recorded networks', () => {
  let laboratory: Laboratory;
  let journey: Journey;

  beforeAll(async () => {
    laboratory = createLaboratory();
    journey = await startJourney(laboratory);
    // kwil-js prints notes about its own methods.
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  });
  afterAll(() => laboratory.stop());

  const flow = (file: string, chains: { own: string; other: string }, base: number): void => {
    it(file, async () => {
      const { chain, options } = journey.plan(file);
      const forwarder = await startForwarder(chain, file, options);
      const differences: string[] = [];
      try {
        const app = createApplication(forwarder.url, chains.own, chains.other, base);
        for (const { step, returned, thrown } of goldenJson<RecordedStep[]>(`rpc/${file}.client.json`)) {
          const ours = await outcomeOf(STEPS[step]!(app));
          const recorded = plain(returned === undefined ? { thrown } : { returned });
          const method = /chainInfo$/.test(step) ? 'chainInfo' : '';
          for (const one of compareJson(recorded, ours, { method, identities: new Map() })) {
            differences.push(`${step}: ${one.path}: recorded ${one.recorded}, ours ${one.ours}`);
          }
          if (forwarder.surprises.length > 0) break;
        }
      } finally {
        await forwarder.close();
      }
      expect(forwarder.surprises).toEqual([]);
      expect(differences).toEqual([]);
    });
  };

  const otherChain = { own: 'kwil-old', other: 'other-chain' };
  flow('kwil-js-normal', otherChain, 5000);
  it('goes on to the migration', async () => {
    await journey.replay('kwil-cli-normal');
    await journey.propose();
    await journey.replay('kwil-cli-activation');
    await journey.replayStart();
  });
  flow('kwil-js-migration', otherChain, 6000);
  it('goes on to End', async () => {
    await journey.replay('kwil-cli-migration');
    await journey.attach();
    journey.listen();
    await journey.finish();
  });
  flow('kwil-js-halted', otherChain, 6500);
  flow('kwil-js-new-network', { own: 'kwil-new', other: 'kwil-old' }, 8000);
}, 60_000);

interface RecordedStep {
  readonly step: string;
  readonly returned?: unknown;
  readonly thrown?: { readonly name: string; readonly message: string };
}

async function outcomeOf(step: Promise<unknown>): Promise<Json> {
  try {
    return plain({ returned: await step });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { thrown: { name: error.name, message: error.message } };
  }
}

/** As the recording wrote values: bytes as `bytesHex`, what JSON leaves out left out. */
const plain = (value: unknown): Json =>
  JSON.parse(
    JSON.stringify(value, (_, member: unknown) =>
      member instanceof Uint8Array
        ? { bytesHex: Buffer.from(member).toString('hex') }
        : typeof member === 'bigint'
          ? String(member)
          : member,
    ),
  ) as Json;

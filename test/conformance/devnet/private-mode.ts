import { createChain } from './chain.js';
import { identitiesOf } from './identities.js';
import { goKey, signed, states } from './keys.js';
import { RECORDED_RHYTHM, type Laboratory } from './laboratory.js';
import { replay, type Outcome } from './replay.js';
import { shownTransactions, spread, together } from './schedule.js';

/*
 * The recorded network `kwil-priv` in private mode at height 10: the owner's nonces 1, 2, 8 and 9 are shown in blocks, what
 * came between can be anything.
 */
export async function replayPrivateState(laboratory: Laboratory): Promise<Outcome[]> {
  const network = laboratory.devnet.createNetwork({
    ...RECORDED_RHYTHM,
    name: 'private',
    chainId: 'kwil-priv',
    mode: 'private',
  });
  await network.start();
  const between = [3, 4, 5, 6, 7].map(nonce =>
    signed(goKey(1), 'kwil-priv', nonce, states('{lab}DELETE FROM counter')),
  );
  const schedule = together(spread(between, 4, 8), shownTransactions('kwil-priv', ['state-private']));
  const chain = createChain(network, schedule);
  return replay(chain, 'state-private', { identities: identitiesOf('state-private', network) });
}

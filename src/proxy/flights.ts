import type { Epoch, NetworkName } from '../model/index.js';
import { createNotifier, waitFor, type Clock } from '../platform/index.js';

/** A write on its way to a node. */
export interface Flight {
  readonly epoch: Epoch;
  readonly network: NetworkName;
  readonly abort: AbortController;
}

export interface Flights {
  /** Call in the same turn as the look at the snapshot that allows the send. */
  begin(epoch: Epoch, network: NetworkName): Flight;
  end(flight: Flight): void;
  count(): number;
  /** Greatest epoch somebody asked `quiesced` for: what is older may not begin any more. */
  fence(): Epoch;
  quiesced(epoch: Epoch, signal?: AbortSignal): Promise<void>;
}

/** A send that is still open so long after the fence is cut; what became of it is then learnt by its hash. */
const CUT_MS = 2500;
const QUIESCE_MAX_MS = 10_000;

export function createFlights(clock: Clock): Flights {
  const flights = new Set<Flight>();
  const ended = createNotifier();
  let fence: Epoch = 0;

  const older = (epoch: Epoch): Flight[] =>
    [...flights].filter(flight => flight.network === 'old' && flight.epoch < epoch);

  return {
    begin(epoch, network) {
      const flight: Flight = { epoch, network, abort: new AbortController() };
      flights.add(flight);
      return flight;
    },
    end(flight) {
      if (flights.delete(flight)) ended.notify();
    },
    count: () => flights.size,
    fence: () => fence,
    async quiesced(epoch, signal) {
      fence = Math.max(fence, epoch);
      const cut = clock.after(CUT_MS, () => {
        for (const flight of older(epoch)) flight.abort.abort();
      });
      const options = { timeoutMs: QUIESCE_MAX_MS, clock, ...(signal === undefined ? {} : { signal }) };
      const done = await waitFor(
        listener => ended.subscribe(listener),
        () => (older(epoch).length === 0 ? true : undefined),
        options,
      );
      cut.cancel();
      if (done !== true)
        throw signal?.reason instanceof Error
          ? signal.reason
          : new Error(`writes older than epoch ${epoch} did not end in time`);
    },
  };
}

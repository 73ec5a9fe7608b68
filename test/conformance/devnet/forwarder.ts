import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Chain } from './chain.js';
import { compareJson } from './compare.js';
import { jsonOf, recording } from './recordings.js';
import { replayOne, type Outcome, type ReplayOptions } from './replay.js';

/**
 * Stands between a living client and the chain: every request has to be the next one of the recording, and goes on to
 * the chain in the state that it had for the recorded one.
 */
export interface Forwarder {
  readonly url: string;
  readonly outcomes: readonly Outcome[];
  /** What the client sent that was not recorded, or not in this place. */
  readonly surprises: readonly string[];
  close(): Promise<void>;
}

export async function startForwarder(chain: Chain, file: string, options: ReplayOptions): Promise<Forwarder> {
  const expected = recording(file);
  const outcomes: Outcome[] = [];
  const surprises: string[] = [];

  async function forward(body: Buffer): Promise<Outcome> {
    const one = expected[outcomes.length];
    const sent = body.toString('utf8');
    if (!one) throw new Error(`one request more than recorded: ${sent}`);
    const recorded = one.request.body.toString('utf8');
    const differences = compareJson(jsonOf(recorded)!, jsonOf(sent) ?? sent, { method: '', identities: new Map() });
    for (const { path, recorded: theirs, ours } of differences) {
      throw new Error(`${file}:${one.line}: ${path}: recorded ${theirs}, sent ${ours}`);
    }
    const outcome = await replayOne(chain, { ...one, request: { ...one.request, body } }, options);
    outcomes.push(outcome);
    return outcome;
  }

  const server = createServer((request, response) => {
    bodyOf(request)
      .then(forward)
      .then(
        ({ ours }) => response.writeHead(ours.status, { 'content-type': 'application/json' }).end(ours.body),
        (error: unknown) => {
          surprises.push(error instanceof Error ? error.message : String(error));
          response.writeHead(500).end();
        },
      );
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    outcomes,
    surprises,
    close: () => {
      server.closeAllConnections();
      return new Promise<void>(resolve => server.close(() => resolve()));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

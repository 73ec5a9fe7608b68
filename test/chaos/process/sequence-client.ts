import { createHash } from 'node:crypto';
import { NAMESPACE } from '../../../src/devnet/demo/schema.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import {
  createSigner,
  encodePayload,
  encodeTxJson,
  int8Value,
  signTx,
  textValue,
} from '../../../src/protocol/index.js';

/** How a client is known again: by its token in the header, in the cookie, or not at all (its connection). */
export const SESSION_KINDS = ['token', 'cookie', 'connection'] as const;
export type SessionKind = (typeof SESSION_KINDS)[number];

export interface SequenceCounts {
  sequences: number;
  reads: number;
  fromOld: number;
  fromNew: number;
  refused: number;
  writes: number;
  mined: number;
  unseen: number;
  stepsBack: number;
  readonly notes: string[];
}

interface Answer {
  readonly result?: Record<string, unknown>;
  readonly error?: {
    readonly message: string;
    readonly data?: { readonly reason?: string; readonly chainId?: string };
  };
}

export interface Lane {
  /** One client from its first call to its last: random reads and writes. */
  sequence(kind: SessionKind, random: () => number): Promise<void>;
}

const CALL_MS = 25_000;
const MINED_MS = 20_000;
const POLL_MS = 30;
const SIGN_MAX = 200;
const NOTES_MAX = 20;
const WRITE_SHARE = 0.08;
const STEPS = { least: 3, more: 6 };

/** Clients one after another that share an account, so that its nonces have one owner. */
export function createLane(
  url: string,
  oldChainId: string,
  writer: number,
  writers: number,
  seed: number,
  counts: SequenceCounts,
): Lane {
  const privateKey = createHash('sha256').update(`sequences ${seed} ${writer}`).digest();
  const signer = createSigner({ type: 'ed25519', privateKey });
  const account = { identifier: Buffer.from(signer.sender).toString('hex'), key_type: signer.keyType };
  let chainId = oldChainId;
  let nonce = 0;
  let operations = 0;
  let mined = 0;

  const note = (text: string): void => void (counts.notes.length < NOTES_MAX && counts.notes.push(text));

  async function sequence(kind: SessionKind, random: () => number): Promise<void> {
    let token: string | null = null;
    /** Receipts per writer that this client was shown. */
    const seen = new Map<number, number>();
    /** Own receipts that this client has learnt to be in a block. */
    let own = 0;

    async function post(method: string, params: unknown): Promise<{ json: Answer; network: string | null }> {
      const headers: Record<string, string> = { 'content-type': 'application/json' };
      if (token !== null && kind === 'token') headers['x-switchyard-session'] = token;
      if (token !== null && kind === 'cookie') headers['cookie'] = `x-switchyard-session=${token}`;
      const answer = await fetch(`${url}/rpc/v1`, {
        method: 'POST',
        headers,
        body: typeof params === 'string' ? params : JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        signal: AbortSignal.timeout(CALL_MS),
      });
      token = answer.headers.get('x-switchyard-session') ?? token;
      return { json: (await answer.json()) as Answer, network: answer.headers.get('x-switchyard-network') };
    }

    async function read(): Promise<void> {
      const of = random() < 0.6 ? writer : 1 + Math.floor(random() * writers);
      const query = `{${NAMESPACE}}SELECT count(*) FROM receipts WHERE writer = ${of}`;
      const { json, network } = await post('user.query', { query, params: {} });
      counts.reads += 1;
      const values = json.result?.['values'] as string[][] | undefined;
      if (values === undefined) {
        counts.refused += 1;
        return note(`read: ${json.error?.data?.reason ?? json.error?.message}`);
      }
      counts[network === 'old' ? 'fromOld' : 'fromNew'] += 1;
      const count = Number(values[0]![0]);
      const before = seen.get(of) ?? 0;
      if (count < before) {
        counts.stepsBack += 1;
        note(`${kind}: receipts of writer ${of} went from ${before} to ${count} (${network})`);
      }
      if (of === writer && count < own) {
        counts.unseen += 1;
        note(`${kind}: writer ${of} knows of ${own} receipts in blocks and was shown ${count} (${network})`);
      }
      seen.set(of, Math.max(before, count));
    }

    function sign(op: string, sync: 0 | 1): string {
      const calls = [[textValue(op), int8Value(0n), int8Value(BigInt(writer))]];
      const payload = encodePayload({ kind: 'execute', namespace: NAMESPACE, action: 'same_item', calls });
      const body = { desc: '', payload, type: 'execute', fee: 0n, nonce: BigInt(nonce + 1), chainId } as const;
      return `{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":${encodeTxJson(signTx(body, signer))},"sync":${sync}}}`;
    }

    /** Sends until it is taken, then waits until it is in a block: from then on the client knows of it. */
    async function write(): Promise<void> {
      operations += 1;
      const sync = random() < 0.5 ? 1 : 0;
      for (let attempt = 0; attempt < SIGN_MAX; attempt += 1) {
        const { json } = await post('user.broadcast', sign(`w${writer}-${operations}`, sync));
        const hash = json.result?.['tx_hash'];
        if (typeof hash === 'string') {
          nonce += 1;
          counts.writes += 1;
          if (sync === 0 && !(await isMined(hash))) return note(`write: ${hash} is in no block`);
          own = mined += 1;
          counts.mined += 1;
          return;
        }
        if (json.error?.data?.chainId !== undefined) chainId = json.error.data.chainId;
        await sleep(systemClock, POLL_MS);
        const { json: told } = await post('user.account', { id: account, status: 1 });
        if (told.result !== undefined) nonce = Number(told.result['nonce'] ?? 0);
      }
      note('write: was never taken');
    }

    async function isMined(hash: string): Promise<boolean> {
      const deadline = performance.now() + MINED_MS;
      while (performance.now() < deadline) {
        const { json } = await post('user.tx_query', { tx_hash: hash });
        if (Number(json.result?.['height'] ?? -1) > 0) return true;
        await sleep(systemClock, POLL_MS);
      }
      return false;
    }

    const steps = STEPS.least + Math.floor(random() * STEPS.more);
    for (let step = 0; step < steps; step += 1) await (random() < WRITE_SHARE ? write() : read());
    counts.sequences += 1;
  }

  return { sequence };
}

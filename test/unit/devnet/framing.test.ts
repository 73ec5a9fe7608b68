import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeDevnet, QUICK } from './support.js';

interface Exchange {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  };
  readonly response: { readonly status: number; readonly headers: Record<string, string>; readonly body?: string };
}

const recorded = readFileSync(new URL('../../golden/rpc/framing.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '')
  .map(line => JSON.parse(line) as Exchange);

const ORIGIN_CASES = new Set(['origin-post', 'options-rpc']);

/** Answers that hold heights, hashes and times, or the list of services that a build has. */
const VOLATILE = /^(rest-health|spec)/;

function exchange(url: string, { name, request }: Exchange): Promise<Exchange['response']> {
  return new Promise((resolve, reject) => {
    const headers = { ...request.headers, ...(ORIGIN_CASES.has(name) ? { origin: 'http://app.example' } : {}) };
    const { hostname, port } = new URL(url);
    const sent = httpRequest(
      { hostname, port, path: request.path, method: request.method, headers, agent: false },
      answer => {
        let body = '';
        answer.on('data', part => (body += String(part)));
        answer.on('end', () =>
          resolve({ status: answer.statusCode!, headers: answer.headers as Record<string, string>, body }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(request.body ?? '');
  });
}

describe('HTTP and JSON-RPC framing as recorded from a real node', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  let url: string;
  beforeAll(async () => {
    devnet = fakeDevnet();
    const network = devnet.createNetwork({ name: 'old', chainId: 'kwil-old', ...QUICK });
    await devnet.start();
    await network.waitForHeight(2);
    url = network.urls[0]!;
  });
  afterAll(() => devnet.stop());

  it.each(recorded.map(one => [one.name, one] as const))('%s', async (name, one) => {
    const answer = await exchange(url, one);
    expect(answer.status).toBe(one.response.status);
    const names = ['content-type', 'access-control-allow-origin', 'access-control-allow-credentials'];
    if (one.request.path.startsWith('/rpc')) names.push('connection');
    for (const header of names) {
      // The recorder's own client asked for closed connections; only what a node says by itself was kept.
      if (header === 'connection' && one.response.headers[header] === undefined)
        expect(answer.headers[header]).not.toBe('keep-alive');
      else expect(answer.headers[header], header).toBe(one.response.headers[header]);
    }
    if (VOLATILE.test(name)) {
      if (one.response.status === 200 && name !== 'spec') {
        expect(Object.keys(JSON.parse(answer.body!) as object)).toEqual(
          Object.keys(JSON.parse(one.response.body!) as object),
        );
      }
    } else expect(answer.body).toBe(one.response.body ?? '');
  });
});

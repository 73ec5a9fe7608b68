import { sleep, systemClock } from '../../src/platform/index.js';

const READY_MS = 30_000;

/** Resolves when reads through this URL are answered. Throws after half a minute. */
export async function answering(url: string): Promise<void> {
  const body = '{"jsonrpc":"2.0","id":1,"method":"user.query","params":{"query":"SELECT 1","params":{}}}';
  for (const until = performance.now() + READY_MS; performance.now() < until;) {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/rpc/v1`, { method: 'POST', headers, body }).catch(() => null);
    if (answer !== null && !(await answer.text()).includes('"error"')) return;
    await sleep(systemClock, 100);
  }
  throw new Error('the gateway does not answer reads');
}

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Runs in its own process, since the logger writes to a file descriptor. */
function logged(statement: string, format: 'json' | 'pretty' = 'json'): string {
  const script = `
    const { createLogger } = await import(${JSON.stringify(new URL('../../../src/telemetry/index.ts', import.meta.url).href)});
    const log = createLogger({ level: 'info', fd: 1, format: ${JSON.stringify(format)} });
    ${statement}`;
  return execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { encoding: 'utf8' });
}

test('lines are JSON with an ISO time and a level word; what must not be logged is masked', () => {
  const text = logged(
    `log.debug('no'); log.child({ component: 'x' }).info({ call: { token: 't0p', params: 'p', ok: 1 }, err: new Error('e') }, 'words');`,
  );
  const lines = text.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    component: 'x',
    call: { token: '[redacted]', params: '[redacted]', ok: 1 },
    err: { message: 'e' },
    msg: 'words',
  });
  expect(text).not.toContain('t0p');
});

test('on a terminal they are for people', () => {
  expect(logged(`log.warn({ a: 1 }, 'words');`, 'pretty')).toMatch(/^[\d:.]{12} WARN {2}words {2}a=1\n$/);
});

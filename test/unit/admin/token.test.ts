import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureToken } from '../../../src/admin/index.js';
import { isToken } from '../../../src/admin/token.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-token-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the first start makes 32 random bytes that only the owner reads, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    const path = join(folder, 'data', 'admin.token');
    const { token, created, exposed } = await ensureToken(path);
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect([created, exposed]).toEqual([true, false]);
    expect(readFileSync(path, 'utf8')).toBe(`${token}\n`);
    expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
  } finally {
    process.umask(before);
  }
});

test('later starts, also at the same moment, have the same token', async () => {
  const path = join(folder, 'admin.token');
  const tokens = await Promise.all(Array.from({ length: 8 }, async () => ensureToken(path)));
  const later = await ensureToken(path);
  expect(later.created).toBe(false);
  expect(tokens.filter(found => found.created)).toHaveLength(1);
  expect(new Set(tokens.map(({ token }) => token))).toEqual(new Set([later.token]));
  expect(readdirSync(folder)).toEqual(['admin.token']);
});

test('a file that others can read is said to be exposed', async () => {
  const path = join(folder, 'admin.token');
  writeFileSync(path, `${'x'.repeat(40)}\n`);
  chmodSync(path, 0o644);
  expect(await ensureToken(path)).toEqual({ token: 'x'.repeat(40), created: false, exposed: true });
});

test.each(['', 'short\n', `${'x'.repeat(40)} y`])('an unusable token %j is refused, with what to do', async text => {
  const path = join(folder, 'admin.token');
  writeFileSync(path, text);
  await expect(ensureToken(path)).rejects.toMatchObject({ code: 'admin_token_unusable', family: 'config' });
});

test('tokens are compared whole', () => {
  expect(isToken('a'.repeat(64), 'a'.repeat(64))).toBe(true);
  for (const given of ['', 'a', 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(63)}b`])
    expect(isToken('a'.repeat(64), given)).toBe(false);
});

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { access, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GatewayError } from '../model/index.js';
import { syncFolder } from '../platform/index.js';

export interface TokenFile {
  readonly token: string;
  /** Made now, at first start. */
  readonly created: boolean;
  /** Others than its owner can read it. */
  readonly exposed: boolean;
}

const TOKEN_BYTES = 32;
/** Shortest token that a person may put there: 128 bits in hex. */
const TOKEN_CHARS_MIN = 32;

/**
 * Reads the token, or makes the file with 32 random bytes (hex, mode 0600) when there is none.
 * Throws `admin_token_unusable` (family config).
 */
export async function ensureToken(path: string): Promise<TokenFile> {
  const token = randomBytes(TOKEN_BYTES).toString('hex');
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere && (await createExclusive(path, `${token}\n`))) return { token, created: true, exposed: false };

  const text = (
    await readFile(path, 'utf8').catch((error: unknown) => unusable(path, 'it cannot be read', error))
  ).trim();
  if (text.length < TOKEN_CHARS_MIN || /\s/.test(text)) {
    unusable(path, `it must hold one word of at least ${TOKEN_CHARS_MIN} characters; remove it and a new one is made`);
  }
  const { mode } = await stat(path);
  return { token: text, created: false, exposed: (mode & 0o077) !== 0 };
}

/** Compares in constant time; hashing first makes the lengths equal without telling which differs. */
export function isToken(expected: string, given: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}

/**
 * False when the file is there already. Written beside and linked into place, so that of two starting processes one wins
 * and the other never reads half a token.
 */
async function createExclusive(path: string, text: string): Promise<boolean> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.chmod(0o600); // whatever the umask says
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(beside, path);
    await syncFolder(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    return unusable(path, 'it cannot be written', error);
  } finally {
    await rm(beside, { force: true });
  }
}

function unusable(path: string, why: string, cause?: unknown): never {
  throw new GatewayError('admin_token_unusable', 'config', `the token file ${path} cannot be used: ${why}`, { cause });
}

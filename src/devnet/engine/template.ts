import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BOOTSTRAP_SQL } from './state/bootstrap.js';

/** Raise when the way a template is made changes in a way that its SQL does not show. */
const TEMPLATE_VERSION = 2;

/** How long to wait for another process that is making the same template, before making it ourselves. */
const OTHERS_DEADLINE_MS = 60_000;
const POLL_MS = 100;

/** What makes an embedded server. */
export interface TemplateMaker {
  /** Changes with the version of the embedded server. */
  readonly version: string;
  /** The data folder of a new cluster as a tar file, with these statements run in it. */
  make(sql: string): Promise<Uint8Array>;
}

/**
 * The empty cluster with the engine's own tables in it, made once and kept in a file named after its content. When several
 * processes ask at once one makes it and the others wait; should that one die, each makes its own and the last rename
 * wins, with the same content.
 */
export async function loadTemplate(folder: string, maker: TemplateMaker): Promise<Uint8Array> {
  const key = createHash('sha256')
    .update(`${TEMPLATE_VERSION} ${maker.version}\n${BOOTSTRAP_SQL}`)
    .digest('hex')
    .slice(0, 16);
  const file = join(folder, `cluster-${key}.tar`);
  const ready = await readIfThere(file);
  if (ready !== null) return ready;
  await mkdir(folder, { recursive: true });
  const claim = `${file}.making`;
  const isOurs = await claimed(claim);
  if (!isOurs) {
    const others = await waitForOthers(file, claim);
    if (others !== null) return others;
  }
  try {
    const made = pruned(await maker.make(BOOTSTRAP_SQL));
    const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
    await writeFile(temporary, made);
    await rename(temporary, file);
    return made;
  } finally {
    if (isOurs) await rm(claim, { recursive: true, force: true });
  }
}

async function readIfThere(file: string): Promise<Uint8Array | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function claimed(claim: string): Promise<boolean> {
  try {
    await mkdir(claim);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // left behind by a process that was killed
  const age = await stat(claim).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (age > OTHERS_DEADLINE_MS) await rm(claim, { recursive: true, force: true });
  return false;
}

async function waitForOthers(file: string, claim: string): Promise<Uint8Array | null> {
  for (let waited = 0; waited < OTHERS_DEADLINE_MS; waited += POLL_MS) {
    const ready = await readIfThere(file);
    if (ready !== null) return ready;
    const isGone = await stat(claim).then(
      () => false,
      () => true,
    );
    // between our two looks it may have finished
    if (isGone) return readIfThere(file);
    await delay(POLL_MS);
  }
  return null;
}

const TAR_BLOCK = 512;
/** Data of the template databases, which nobody connects to: half of the files that a start has to unpack. */
const UNUSED = /(^|\/)base\/[14]\//;

/** A tar file without the entries that the engine never reads. */
function pruned(tar: Uint8Array): Uint8Array {
  const input = Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength);
  const kept: Buffer[] = [];
  let at = 0;
  while (at + TAR_BLOCK <= input.length && input[at] !== 0) {
    const nameEnd = input.indexOf(0, at);
    const name = input.toString('latin1', at, Math.min(nameEnd, at + 100));
    const size = Number.parseInt(input.toString('latin1', at + 124, at + 135), 8) || 0;
    const end = at + TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    if (!UNUSED.test(name)) kept.push(input.subarray(at, end));
    at = end;
  }
  kept.push(input.subarray(at));
  return Buffer.concat(kept);
}

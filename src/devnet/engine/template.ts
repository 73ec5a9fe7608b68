import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { BOOTSTRAP_SQL } from './state/bootstrap.js';

/** Raise when the way a template is made changes in a way that its SQL does not show. */
const TEMPLATE_VERSION = 1;

/** What makes an embedded server: kept small so that tests need no real one. */
export interface TemplateMaker {
  /** Version of the embedded server. */
  readonly version: string;
  /** A data folder as one blob, with these statements run in it. */
  make(sql: string): Promise<Uint8Array>;
}

/**
 * The empty cluster with the engine's own tables in it, made once and kept in a file named after its content. Safe when
 * several processes ask at once: each makes its own and the last rename wins, with the same content.
 */
export async function loadTemplate(folder: string, maker: TemplateMaker): Promise<Uint8Array> {
  const key = createHash('sha256')
    .update(`${TEMPLATE_VERSION} ${maker.version}\n${BOOTSTRAP_SQL}`)
    .digest('hex')
    .slice(0, 16);
  const file = join(folder, `cluster-${key}.tar`);
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = await maker.make(BOOTSTRAP_SQL);
  await mkdir(folder, { recursive: true });
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(temporary, made);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  return made;
}

import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the engine keeps its prepared database, so that a start costs about a second only once per machine. */
export const templateFolder = (): string => join(homedir(), '.cache', 'switchyard', 'devnet');

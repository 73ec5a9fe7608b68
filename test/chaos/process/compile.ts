import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** A source file and all that it imports as plain JavaScript: a process that is started a hundred times must start fast. */
export interface Compiled {
  readonly entry: string;
  remove(): Promise<void>;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const RELATIVE = /(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g;

/** Types are looked at elsewhere (`npm run typecheck`). The result lies where the program's dependencies are found. */
export async function compile(entry: string): Promise<Compiled> {
  const cache = join(ROOT, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'switchyard-torture-'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const outOf = (file: string): string => join(folder, relative(ROOT, file)).replace(/\.ts$/, '.js');
  const seen = new Set<string>([entry]);
  for (const file of seen) {
    const source = await readFile(file, 'utf8');
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    await mkdir(dirname(outOf(file)), { recursive: true });
    await writeFile(outOf(file), outputText);
    // From the output: an import of types alone is gone there.
    for (const [, path] of outputText.matchAll(RELATIVE)) seen.add(resolve(dirname(file), `${path!}.ts`));
  }
  return { entry: outOf(entry), remove: () => rm(folder, { recursive: true, force: true }) };
}

// Compiles src/ to dist/ and marks the entry executable. Skips when TypeScript is absent (a production install
// with --omit=dev builds nothing: it ships dist/).
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';

const tsc = 'node_modules/typescript/bin/tsc';
if (!existsSync(tsc)) {
  console.error('build: TypeScript is not installed (production install); nothing to build');
  process.exit(0);
}
rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json'], { stdio: 'inherit' });
chmodSync('dist/main.js', 0o755);

let commit = 'unknown';
try {
  commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { stdio: ['ignore', 'pipe', 'ignore'] })
    .toString()
    .trim();
} catch {
  // not a git checkout: the version still identifies the build
}
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
writeFileSync('dist/build-info.json', JSON.stringify({ version, commit }) + '\n');
if (existsSync('src/console/public')) cpSync('src/console/public', 'dist/console/public', { recursive: true });

import type { Reporter, TestModule } from 'vitest/node';

/** Closes a run with the one line that CI and people read: `N passed, N failed` (`, N skipped` when there are any). */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    for (const module of modules) {
      let executed = 0;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        executed += 1;
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
        else if (state === 'skipped') skipped += 1;
      }
      // A file that could not be loaded has no tests but did fail.
      if (executed === 0 && !module.ok()) failed += 1;
    }
    const line = `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : '');
    // After vitest's own summary, which is printed on the same tick.
    process.on('exit', () => process.stdout.write(`${line}\n`));
  }
}

/**
 * demo of the two simpler strategies: the same clients and the same judge as the zero-downtime demo; an operator who does by
 * hand what the gateway says, and nothing before it says so.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../model/index.js';
import type { DemoIo } from '../index.js';
import type { DemoOptions } from '../options.js';
import { createScreen } from '../screen.js';
import { tellOffline } from './offline.js';
import { printStrategyResult } from './result.js';
import { tellRolling } from './rolling.js';
import { createStage } from './stage.js';

/** Exit code 0 only if nothing was lost, doubled, different or read out of order. */
export async function runStrategyDemo(options: DemoOptions, io: DemoIo): Promise<number> {
  const screen = createScreen(io.stderr);
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-demo-'));
  const stage = createStage(options, folder, screen, io.signal);
  try {
    const result = options.strategy === 'rolling' ? await tellRolling(stage) : await tellOffline(stage);
    screen.close();
    io.stdout.write((options.json ? JSON.stringify(result) : printStrategyResult(result)) + '\n');
    if (result.verdict === 'ok' && !options.keep) await rm(folder, { recursive: true, force: true });
    else io.stderr.write(`logs and records: ${folder}\n`);
    if (options.keep) {
      io.stderr.write('everything keeps running until ^C\n');
      await new Promise<void>(resolve => {
        if (io.signal.aborted) resolve();
        io.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return result.verdict === 'ok' ? 0 : 1;
  } catch (error) {
    screen.close();
    io.stderr.write(`demo failed: ${messageOf(error)}\nlogs and records: ${folder}\n`);
    return io.signal.aborted ? 130 : 1;
  } finally {
    await stage.end();
  }
}

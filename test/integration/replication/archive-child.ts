import { createHash } from 'node:crypto';
import { createChangesetArchive } from '../../../src/storage/index.js';

/*
 * Writes heights, plan records and marks until it is killed, and says on stdout what was acknowledged. Content is a function of
 * the height, so that the parent can check it.
 */
export const contentOf = (height: number): Buffer =>
  height % 7 === 0 ? Buffer.alloc(0) : Buffer.alloc(1 + ((height * 7919) % 60_000), height % 251);

if (process.argv[2] !== undefined) {
  const archive = createChangesetArchive({ folder: process.argv[2], reserveBytes: 0 });
  await archive.open();
  for (let height = (archive.last() ?? 0) + 1; ;) {
    const batch = Array.from({ length: 1 + (height % 5) }, (_, index) => {
      const bytes = contentOf(height + index);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return {
        bytes,
        info: {
          height: height + index,
          bytes: bytes.length,
          effective: bytes.length,
          sha256,
          rows: 0,
          source: 'child',
          confirmedBy: null,
          at: 0,
        },
      };
    });
    await archive.append(batch);
    height += batch.length;
    const asked = (archive.lastPlanned() ?? 0) + 1;
    await archive.createPlan(
      asked,
      { asked, from: asked, to: asked, upTo: height - 1 },
      Buffer.from(`served ${asked}`),
    );
    await archive.setRecord('mark/v1', { chunk0: asked });
    process.stdout.write(`${JSON.stringify({ height: height - 1, asked })}\n`);
  }
}

import type { AdminPorts } from '../../src/admin/index.js';
import { systemClock } from '../../src/platform/index.js';
import { silentLogger } from '../../src/telemetry/index.js';
import { sampleStatus } from './sample-status.js';

/** Ports of a gateway that has nothing but its status; tests add the features they are about. */
export const samplePorts = (features: Partial<AdminPorts> = {}): AdminPorts => ({
  clock: systemClock,
  logger: silentLogger,
  metrics: { contentType: 'text/plain; version=0.0.4', metrics: () => Promise.resolve('switchyard_epoch 3\n') },
  status: () => sampleStatus(),
  ready: () => ({ ready: true, reasons: [] }),
  started: () => true,
  ...features,
});

/**
 * telemetry: metric catalogue, logger. Observes, never decides.
 *
 * Labels come from closed sets: an unknown method is labelled `other`. Bodies, parameters, SQL, signatures, cookies and
 * tokens never get here.
 */
export * from './logger.js';
export * from './metrics.js';
export { prettyLine } from './pretty.js';

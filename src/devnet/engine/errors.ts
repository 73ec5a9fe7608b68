import { GatewayError } from '../../model/index.js';

/** A refusal of the engine with the JSON-RPC code that a node gives it (reference 3.1). */
export class EngineError extends GatewayError {
  readonly rpcCode: number;

  constructor(rpcCode: number, message: string, options: { cause?: unknown } = {}) {
    super('engine-error', 'caller', message, options);
    this.name = 'EngineError';
    this.rpcCode = rpcCode;
  }
}

/** The node that executes this block ends: a panic or a fatal error inside block execution. Nothing of the block is kept. */
export class EngineHalt extends GatewayError {
  constructor(message: string, code = 'engine-halt') {
    super(code, 'invariant', message);
    this.name = 'EngineHalt';
  }
}

/** Halt while applying the old network's changes (reference 6.12): the whole new network stops here. */
export class ReplicationHalt extends EngineHalt {
  /** Old height that could not be applied. */
  readonly oldHeight: number;

  constructor(message: string, oldHeight: number) {
    super(message, 'replication-halt');
    this.name = 'ReplicationHalt';
    this.oldHeight = oldHeight;
  }
}

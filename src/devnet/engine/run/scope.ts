import type { DataType } from '../../../protocol/index.js';
import { isSame, typeText } from '../sql/data-type.js';
import type { VariableType } from '../sql/plan.js';
import { nullOf, valueOf, type KwilValue } from '../value.js';
import { BYTEA, INT8, TEXT } from '../sql/data-type.js';

/** A row that a FOR loop hands to its body. */
export type RecordValue = ReadonlyMap<string, KwilValue>;
export type Variable = KwilValue | RecordValue;

export const isRecord = (variable: Variable): variable is RecordValue => variable instanceof Map;

export const typeOfVariable = (variable: Variable): VariableType =>
  isRecord(variable)
    ? new Map([...variable].map(([name, value]): [string, DataType] => [name, value.type]))
    : variable.type;

/** What `@` variables say during one transaction, call or query. */
export interface Surroundings {
  readonly caller: string;
  readonly signer: Uint8Array;
  readonly txid: string;
  readonly height: bigint;
  /** Seconds. */
  readonly timestamp: bigint;
  readonly authenticator: string;
  /** Public key of the block's leader, hex; empty when unknown. */
  readonly leader: string;
  readonly leaderSender: Uint8Array;
}

/** Variables of one block of action code, inside those of the block around it. */
export class Scope {
  private readonly variables = new Map<string, Variable>();

  constructor(
    readonly surroundings: Surroundings,
    /** Namespace that called this action, empty at the top. */
    readonly foreignCaller: string,
    private readonly parent: Scope | null = null,
  ) {}

  child(): Scope {
    return new Scope(this.surroundings, this.foreignCaller, this);
  }

  get(name: string): Variable {
    if (name.startsWith('@')) return this.contextual(name);
    const found = this.owner(name)?.variables.get(name);
    if (found === undefined) throw new UnknownVariable(name);
    return found;
  }

  allocate(name: string, value: Variable): void {
    if (this.variables.has(name)) throw new Error(`variable "${name}" already exists`);
    this.variables.set(name, value);
  }

  /** Assigns to the variable where it was declared, or declares it here. */
  assign(name: string, value: KwilValue): void {
    if (name.startsWith('@')) throw new Error(`invalid variable name: cannot set system variable ${name}`);
    const owner = this.owner(name) ?? this;
    const old = owner.variables.get(name);
    if (old === undefined) owner.variables.set(name, value);
    else if (isRecord(old)) throw new Error(`type error: cannot assign to record ${name}`);
    else if (value.data === null) owner.variables.set(name, nullOf(old.type));
    else if (isSame(old.type, value.type) || old.type.name === 'null') owner.variables.set(name, value);
    else
      throw new Error(
        `type error: cannot assign variable ${name} of type ${typeText(value.type)} to existing variable of type ${typeText(old.type)}`,
      );
  }

  /** The innermost block that has the variable. */
  private owner(name: string): Scope | null {
    return this.variables.has(name) ? this : (this.parent?.owner(name) ?? null);
  }

  /** Makes sure that the variable exists with this type. */
  declare(name: string, type: DataType): void {
    const old = this.owner(name)?.variables.get(name);
    if (old === undefined) this.variables.set(name, nullOf(type));
    else if (isRecord(old) || !isSame(old.type, type))
      throw new Error(`type error: cannot assign new type "${typeText(type)}" to variable "${name}"`);
  }

  private contextual(name: string): KwilValue {
    const { surroundings } = this;
    switch (name) {
      case '@caller':
        return valueOf(TEXT, surroundings.caller);
      case '@txid':
        return valueOf(TEXT, surroundings.txid);
      case '@signer':
        return valueOf(BYTEA, `\\x${Buffer.from(surroundings.signer).toString('hex')}`);
      case '@height':
        return valueOf(INT8, surroundings.height.toString());
      case '@block_timestamp':
        return valueOf(INT8, surroundings.timestamp.toString());
      case '@authenticator':
        return valueOf(TEXT, surroundings.authenticator);
      case '@foreign_caller':
        return valueOf(TEXT, this.foreignCaller);
      case '@leader':
        return valueOf(TEXT, surroundings.leader);
      case '@leader_sender':
        return valueOf(BYTEA, `\\x${Buffer.from(surroundings.leaderSender).toString('hex')}`);
      default:
        throw new Error(`invalid variable name: ${name}`);
    }
  }
}

export class UnknownVariable extends Error {
  constructor(name: string) {
    super(`unknown variable: ${name}`);
  }
}

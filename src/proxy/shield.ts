import {
  canonicalTypeName,
  CodecError,
  decodePayload,
  type EncodedValue,
  type Transaction,
} from '../protocol/index.js';

export type ShieldAction = 'off' | 'warn' | 'refuse';

export interface ShieldRule {
  readonly name: string;
  readonly action: ShieldAction;
  readonly text: string;
}

/** Requests that end or harm a real node; a closed list. Each can be turned down by name in the configuration. */
export const SHIELD_RULES = [
  { name: 'incomplete-transaction', action: 'refuse', text: 'a broadcast needs a transaction with body and signature' },
  { name: 'unreadable-payload', action: 'refuse', text: 'the payload of an execution cannot be read' },
  { name: 'bool-without-value', action: 'refuse', text: 'a bool element is not well formed' },
  { name: 'empty-array', action: 'refuse', text: 'an empty array of this type cannot be stored' },
  { name: 'array-literal', action: 'warn', text: 'the statement builds an array, which must not be empty' },
] as const satisfies readonly ShieldRule[];

export type ShieldName = (typeof SHIELD_RULES)[number]['name'];

export interface ShieldHit {
  readonly name: ShieldName;
  readonly action: 'warn' | 'refuse';
  readonly text: string;
}

export interface Shield {
  /** Rules that the transaction breaks, those that are off left out. */
  check(tx: Transaction): readonly ShieldHit[];
}

/** Empty arrays of these end the node that stores them. */
const FRAGILE_ARRAYS: ReadonlySet<string> = new Set(['int8', 'bool', 'uuid', 'numeric', 'int4']);
const CHECKED_PAYLOADS: ReadonlySet<string> = new Set(['execute', 'raw_statement', 'maa_exec']);
const ARRAY_LITERAL = /array\s*\[\s*\]/i;

export function createShield(overrides: Readonly<Record<string, ShieldAction>> = {}): Shield {
  const actionOf = (name: ShieldName): ShieldAction =>
    overrides[name] ?? SHIELD_RULES.find(rule => rule.name === name)!.action;

  return {
    check(tx) {
      const hits: ShieldHit[] = [];
      const hit = (name: ShieldName): void => {
        const action = actionOf(name);
        if (action === 'off' || hits.some(other => other.name === name)) return;
        hits.push({ name, action, text: SHIELD_RULES.find(rule => rule.name === name)!.text });
      };
      if (tx.body === null || tx.signature === null) {
        hit('incomplete-transaction');
        return hits;
      }
      if (!CHECKED_PAYLOADS.has(tx.body.type)) return hits;
      try {
        const payload = decodePayload(tx.body.type, tx.body.payload);
        if (payload === null) return hits;
        if (payload.kind === 'execute')
          for (const args of payload.calls) for (const value of args) checkValue(value, hit);
        if (payload.kind === 'maa_exec') for (const value of payload.args) checkValue(value, hit);
        if (payload.kind === 'raw_statement') {
          for (const { value } of payload.params) checkValue(value, hit);
          if (ARRAY_LITERAL.test(payload.statement)) hit('array-literal');
        }
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
        hit('unreadable-payload');
      }
      return hits;
    },
  };
}

function checkValue({ type, elements }: EncodedValue, hit: (name: ShieldName) => void): void {
  const name = canonicalTypeName(type.name);
  if (name === 'bool' && elements.some(element => element.length === 1 && element[0] === 1)) hit('bool-without-value');
  if (type.isArray && elements.length === 0 && name !== null && FRAGILE_ARRAYS.has(name)) hit('empty-array');
}

import type { KwilValue } from '../value.js';
import type { Row } from './evaluator.js';
import { isRecord, type RecordValue, type Scope } from './scope.js';

/** Where execution stands: namespace, variables, and what is allowed. */
export class Frame {
  queryActive = false;

  constructor(
    public namespace: string,
    public scope: Scope,
    readonly inAction: boolean,
  ) {}
}

/** What a parameter of a translated statement stands for: `$name`, `@name` or `$record.field`. */
export function resolve(name: string, frame: Frame): KwilValue {
  const dot = name.indexOf('.');
  const variable = frame.scope.get(dot === -1 ? name : name.slice(0, dot));
  if (!isRecord(variable)) return variable;
  return variable.get(name.slice(dot + 1))!;
}

/** A row as a loop's variable; columns without a name are out of reach. */
export const recordOf = (row: Row): RecordValue =>
  new Map(row.names.flatMap((name, index): [string, KwilValue][] => (name === '' ? [] : [[name, row.values[index]!]])));

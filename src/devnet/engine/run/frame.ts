import type { KwilValue } from '../value.js';
import { isRecord, type Scope } from './scope.js';

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

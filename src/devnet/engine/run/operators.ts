import { BOOL, fits, INT8, isSame, NULL, TEXT, typeText } from '../sql/data-type.js';
import { formatNumeric, type DataType } from '../../../protocol/index.js';
import { isNull, nullOf, roundedNumeric, textOf, valueOf, type KwilValue } from '../value.js';

/** Operators that action code can compute without asking Postgres. Each gives null when it cannot. */

/** Longest array that an assignment can make. */
const ITEMS_MAX = 1_000_000;

const INT8_MIN = -(2n ** 63n);
const INT8_MAX = 2n ** 63n - 1n;

export const boolValue = (value: boolean): KwilValue => valueOf(BOOL, value ? 't' : 'f');
export const isTrue = (value: KwilValue): boolean => value.data === 't';

function int8(value: bigint): KwilValue {
  if (value < INT8_MIN || value > INT8_MAX) throw new Error('arithmetic error: int8 out of range');
  return valueOf(INT8, value.toString());
}

export function arithmetic(op: string, left: KwilValue, right: KwilValue): KwilValue | null {
  if (left.type.isArray || right.type.isArray)
    throw new Error(`type error: expected scalar, got ${typeText(left.type)}`);
  if (isNull(left) || isNull(right)) return nullOf(left.type.name === 'null' ? right.type : left.type);
  if (left.type.name !== right.type.name)
    throw new Error(`type error: cannot perform operation on types ${typeText(left.type)} and ${typeText(right.type)}`);
  if (op === '||') return left.type.name === 'text' ? valueOf(TEXT, textOf(left) + textOf(right)) : null;
  if (left.type.name === 'int8') return int8Arithmetic(op, BigInt(textOf(left)), BigInt(textOf(right)));
  if (left.type.name === 'numeric') return null;
  throw new Error(`arithmetic error: cannot perform ${op} on type ${typeText(left.type)}`);
}

function int8Arithmetic(op: string, left: bigint, right: bigint): KwilValue {
  if ((op === '/' || op === '%') && right === 0n) throw new Error('arithmetic error: cannot divide by zero');
  switch (op) {
    case '+':
      return int8(left + right);
    case '-':
      return int8(left - right);
    case '*':
      return int8(left * right);
    case '/':
      return int8(left / right);
    case '%':
      return int8(left % right);
    case '^':
      if (right < 0n || right > 64n * 64n) throw new Error('arithmetic error: int8 out of range');
      return int8(left ** right);
    default:
      throw new Error(`arithmetic error: unexpected operator ${op}`);
  }
}

export function compare(op: string, left: KwilValue, right: KwilValue): KwilValue | null {
  if (isNull(left) || isNull(right)) return nullOf(BOOL);
  if (left.type.name !== right.type.name || left.type.isArray !== right.type.isArray)
    throw new Error(`comparison error: cannot compare types ${typeText(left.type)} and ${typeText(right.type)}`);
  if (left.type.isArray || left.type.name === 'numeric') return null;
  const order =
    left.type.name === 'int8'
      ? bySize(BigInt(textOf(left)), BigInt(textOf(right)))
      : byBytes(textOf(left), textOf(right));
  switch (op) {
    case '=':
      return boolValue(order === 0);
    case '!=':
      return boolValue(order !== 0);
    case '<':
      return boolValue(order < 0);
    case '<=':
      return boolValue(order <= 0);
    case '>':
      return boolValue(order > 0);
    default:
      return boolValue(order >= 0);
  }
}

const bySize = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));

export function logical(op: 'AND' | 'OR', left: KwilValue, right: KwilValue): KwilValue {
  if (isNull(left) || isNull(right)) return nullOf(BOOL);
  if (left.type.name !== 'bool' || right.type.name !== 'bool')
    throw new Error(
      `type error: AND and OR operands must be of type bool, got ${typeText(left.type)} and ${typeText(right.type)}`,
    );
  return boolValue(op === 'AND' ? isTrue(left) && isTrue(right) : isTrue(left) || isTrue(right));
}

export function unary(op: '+' | '-' | 'NOT', value: KwilValue): KwilValue {
  if (value.type.isArray)
    throw new Error(`type error: unary operations can only be performed on scalars, got ${typeText(value.type)}`);
  if (isNull(value)) return value;
  if (op === 'NOT') {
    if (value.type.name !== 'bool')
      throw new Error(`unary operation error: NOT needs a bool, got ${typeText(value.type)}`);
    return boolValue(!isTrue(value));
  }
  if (value.type.name === 'int8') return op === '-' ? int8(-BigInt(textOf(value))) : value;
  if (value.type.name !== 'numeric')
    throw new Error(`unary operation error: ${op} needs a number, got ${typeText(value.type)}`);
  if (op === '+') return value;
  const text = textOf(value);
  return valueOf(value.type, text.startsWith('-') ? text.slice(1) : /[1-9]/.test(text) ? `-${text}` : text);
}

/** `IS NULL`, `IS TRUE`, `IS DISTINCT FROM`. */
export function is(left: KwilValue, right: KwilValue, distinct: boolean, not: boolean): KwilValue {
  const same = isNull(left) || isNull(right) ? isNull(left) && isNull(right) : isEqual(left, right);
  return boolValue((distinct ? !same : same) !== not);
}

function isEqual(left: KwilValue, right: KwilValue): boolean {
  if (!fits(left.type, right.type))
    throw new Error(`comparison error: cannot compare types ${typeText(left.type)} and ${typeText(right.type)}`);
  return JSON.stringify(left.data) === JSON.stringify(right.data);
}

/** A cast that needs no Postgres; null when only Postgres can tell. */
export function cast(value: KwilValue, type: DataType): KwilValue | null {
  if (isSame(value.type, type)) return value;
  if (isNull(value)) return nullOf(type);
  if (value.type.isArray || type.isArray) return castArray(value, type);
  const text = textOf(value);
  const from = value.type.name;
  if (type.name === 'numeric') {
    if (from === 'text' || from === 'int8' || from === 'numeric')
      return valueOf(
        type,
        wrapped(() => roundedNumeric(text, type.precision, type.scale)),
      );
    return null;
  }
  if (type.name === 'text') {
    if (from === 'int8' || from === 'uuid') return valueOf(TEXT, text);
    if (from === 'bool') return valueOf(TEXT, text === 't' ? 'true' : 'false');
    if (from === 'numeric') return valueOf(TEXT, text === 'NaN' ? text : formatNumeric(text));
    if (from === 'bytea') return valueOf(TEXT, Buffer.from(text.slice(2), 'hex').toString('utf8'));
  }
  if (type.name === 'int8') {
    if (from === 'text') {
      if (!/^[+-]?\d+$/.test(text))
        throw new Error(`type cast error: strconv.ParseInt: parsing "${text}": invalid syntax`);
      return int8(BigInt(text));
    }
    if (from === 'bool') return valueOf(INT8, text === 't' ? '1' : '0');
  }
  if (type.name === 'bool' && from === 'int8') return boolValue(text !== '0');
  if (type.name === 'bytea' && from === 'text') return valueOf(type, `\\x${Buffer.from(text, 'utf8').toString('hex')}`);
  return null;
}

function castArray(value: KwilValue, type: DataType): KwilValue | null {
  if (!value.type.isArray || !type.isArray)
    throw new Error(`type cast error: cannot cast ${typeText(value.type)} to ${typeText(type)}`);
  const items = value.data as readonly (string | null)[];
  const from = { ...value.type, isArray: false };
  const to = { ...type, isArray: false };
  const cells: (string | null)[] = [];
  for (const item of items) {
    const one = item === null ? nullOf(to) : cast(valueOf(from, item), to);
    if (one === null) return null;
    cells.push(one.data as string | null);
  }
  return valueOf(type, cells);
}

function wrapped<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`type cast error: ${(error as Error).message}`, { cause: error });
  }
}

/** `ARRAY[…]` of values of one type; nulls take the type of the others. */
export function makeArray(values: readonly KwilValue[], wanted: DataType | null): KwilValue {
  const first = values.find(value => value.type.name !== 'null')?.type ?? wanted ?? NULL;
  for (const value of values) {
    if (value.type.isArray) throw new Error(`type error: expected scalar value, got ${typeText(value.type)}`);
    if (!fits(value.type, { ...first, isArray: false }))
      throw new Error(
        `array dimensionality error: cannot mix ${typeText(first)} and ${typeText(value.type)} in an array`,
      );
  }
  return valueOf(
    { ...first, isArray: true },
    values.map(value => value.data as string | null),
  );
}

/** `array[n]`, counted from 1; null outside of the array. */
export function itemAt(array: KwilValue, index: KwilValue): KwilValue {
  const type = { ...array.type, isArray: false };
  if (!array.type.isArray) throw new Error(`type error: expected array, got ${typeText(array.type)}`);
  if (isNull(array) || isNull(index)) return nullOf(type);
  if (index.type.name !== 'int8') throw new Error(`array index must be integer, got ${typeText(index.type)}`);
  const at = Number(textOf(index));
  const items = array.data as readonly (string | null)[];
  if (at < 1) throw new Error(`index out of bounds: ${at}`);
  return valueOf(type, items[at - 1] ?? null);
}

export function sliceOf(array: KwilValue, from: KwilValue | null, to: KwilValue | null): KwilValue {
  if (!array.type.isArray) throw new Error(`type error: expected array, got ${typeText(array.type)}`);
  if (isNull(array) || (from !== null && isNull(from)) || (to !== null && isNull(to))) return nullOf(array.type);
  const items = array.data as readonly (string | null)[];
  const start = from === null ? 1 : Math.max(1, Number(textOf(from)));
  const end = to === null ? items.length : Number(textOf(to));
  return valueOf(array.type, items.slice(start - 1, Math.max(start - 1, end)));
}

function itemsToChange(array: KwilValue): (string | null)[] {
  if (!array.type.isArray || isNull(array)) throw new Error(`type error: expected array, got ${typeText(array.type)}`);
  return [...(array.data as readonly (string | null)[])];
}

function positionOf(index: KwilValue | null, otherwise: number): number {
  if (index === null) return otherwise;
  if (isNull(index)) throw new Error('invalid null value: array index cannot be null when assigning to array');
  return Number(textOf(index));
}

/** The array after `array[n] := value`; it grows with nulls as far as needed. */
export function withItem(array: KwilValue, index: KwilValue, value: KwilValue): KwilValue {
  const items = itemsToChange(array);
  const at = positionOf(index, 1);
  if (at < 1 || at > ITEMS_MAX) throw new Error(`index out of bounds: ${at}`);
  while (items.length < at) items.push(null);
  items[at - 1] = value.data as string | null;
  return valueOf(array.type, items);
}

/** The array after `array[from:to] := value`; what is too much in the value is left out. */
export function withSlice(
  array: KwilValue,
  first: KwilValue | null,
  last: KwilValue | null,
  value: KwilValue,
): KwilValue {
  const items = itemsToChange(array);
  const from = positionOf(first, 1);
  const to = positionOf(last, items.length);
  const source = value.data as readonly (string | null)[] | null;
  if (from < 1 || to < from) throw new Error(`index out of bounds: slice ${from}:${to}`);
  if (source === null || source.length < to - from + 1)
    throw new Error(`array too small: expected slice to have length ${to - from + 1}, got ${source?.length ?? 0}`);
  for (let at = from; at <= to; at += 1) items[at - 1] = source[at - from]!;
  return valueOf(array.type, items);
}

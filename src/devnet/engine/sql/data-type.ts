import { canonicalTypeName, type DataType } from '../../../protocol/index.js';

export { arrayOf, BOOL, BYTEA, INT8, NULL, numericType as numeric, TEXT, UUID } from '../../../protocol/index.js';

export const itemOf = (type: DataType): DataType => ({ ...type, isArray: false });

/** The type with its alias resolved; null when there is no such type. */
export function resolveType(name: string, isArray: boolean, precision: number, scale: number): DataType | null {
  const known = canonicalTypeName(name);
  return known === null ? null : { name: known, isArray, precision, scale };
}

/** Same type, metadata included; null fits everywhere. */
export function fits(a: DataType, b: DataType): boolean {
  if ((a.name === 'null' && !a.isArray) || (b.name === 'null' && !b.isArray)) return true;
  if (a.name === 'null' && a.isArray && b.isArray) return true;
  if (b.name === 'null' && b.isArray && a.isArray) return true;
  return isSame(a, b);
}

export const isSame = (a: DataType, b: DataType): boolean =>
  a.isArray === b.isArray &&
  a.name === b.name &&
  (a.name !== 'numeric' || (a.precision === b.precision && a.scale === b.scale));

export const isNumber = (type: DataType): boolean =>
  !type.isArray && (type.name === 'int8' || type.name === 'numeric' || type.name === 'null');

/** As the node prints a type in its messages. */
export function typeText(type: DataType): string {
  const meta = type.name === 'numeric' ? `(${type.precision},${type.scale})` : '';
  return type.name + meta + (type.isArray ? '[]' : '');
}

const PG_NAMES: Readonly<Record<string, string>> = {
  int8: 'INT8',
  int4: 'INT4',
  text: 'TEXT',
  bool: 'BOOL',
  bytea: 'BYTEA',
  uuid: 'UUID',
};

/** The type in Postgres' words. Throws where the node refuses to generate SQL. */
export function pgType(type: DataType): string {
  const array = type.isArray ? '[]' : '';
  if (type.name === 'numeric') {
    if (type.precision === 0 && type.scale === 0) throw new Error('numeric type requires metadata');
    return `NUMERIC(${type.precision},${type.scale})${array}`;
  }
  if (type.name === 'null') throw new Error('cannot have null column type');
  const name = PG_NAMES[type.name];
  if (name === undefined) throw new Error(`unknown column type: ${type.name}`);
  return name + array;
}

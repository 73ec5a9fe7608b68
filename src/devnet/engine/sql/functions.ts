import type { DataType } from '../../../protocol/index.js';
import { arrayOf, BYTEA, fits, INT8, isNumber, NULL, numeric, TEXT, typeText, UUID } from './data-type.js';

/** The deterministic part of Postgres' functions that Kwil lets through. */
export interface FunctionDefinition {
  readonly kind: 'scalar' | 'aggregate' | 'window';
  /** Type of the result; throws when the arguments do not fit. */
  result(args: readonly DataType[]): DataType;
  /** Postgres text of the call. */
  format(args: readonly string[], distinct: boolean): string;
}

const typeError = (message: string): Error => new Error(`type error: ${message}`);
const wrongType = (expected: DataType, got: DataType): Error =>
  typeError(`expected ${typeText(expected)}, got ${typeText(got)}`);

function count(args: readonly DataType[], least: number, most: number): void {
  if (args.length >= least && args.length <= most) return;
  if (least === most) throw new Error(`expected ${least}, got ${args.length}`);
  const range = most === Infinity ? `at least ${least}` : `${least} or ${most}`;
  throw new Error(`invalid number of arguments: expected ${range}, got ${args.length}`);
}

const plain = (name: string) => (args: readonly string[]) => `${name}(${args.join(', ')})`;
const aggregate = (name: string) => (args: readonly string[], distinct: boolean) =>
  `${name}(${distinct ? 'DISTINCT ' : ''}${args.join(', ')})`;

/** Arguments of fixed types, the last `optional` of which may be missing. */
function fixed(
  name: string,
  types: readonly DataType[],
  result: DataType,
  optional = 0,
  format: FunctionDefinition['format'] = plain(name),
): FunctionDefinition {
  return {
    kind: 'scalar',
    result(args) {
      count(args, types.length - optional, types.length);
      args.forEach((arg, index) => {
        if (!fits(arg, types[index]!)) throw wrongType(types[index]!, arg);
      });
      return result;
    },
    format,
  };
}

const allSame = (args: readonly DataType[]): DataType => {
  args.forEach((arg, index) => {
    if (!fits(args[0]!, arg))
      throw typeError(
        `all arguments must be the same type, but argument ${index + 1} is ${typeText(arg)} and argument 1 is ${typeText(args[0]!)}`,
      );
  });
  return args[0]!;
};

const extreme = (name: string): FunctionDefinition => ({
  kind: 'scalar',
  result(args) {
    count(args, 1, Infinity);
    const wrong = args.find(arg => !isNumber(arg));
    if (wrong !== undefined)
      throw typeError(`expected both arguments to be numeric, got ${args.map(typeText).join(' and ')}`);
    return allSame(args);
  },
  format: plain(name),
});

const lowest = (name: string): FunctionDefinition => ({
  kind: 'aggregate',
  result(args) {
    count(args, 1, 1);
    if (!isNumber(args[0]!) && !fits(args[0]!, TEXT))
      throw typeError(`expected argument to be numeric or text, got ${typeText(args[0]!)}`);
    return args[0]!;
  },
  format: aggregate(name),
});

const neighbour = (name: string): FunctionDefinition => ({
  kind: 'window',
  result(args) {
    if (args.length < 1 || args.length > 3)
      throw new Error(`invalid number of arguments: expected 1-3, got ${args.length}`);
    if (args.length > 1 && !fits(args[1]!, INT8)) throw wrongType(INT8, args[1]!);
    if (args.length > 2 && !fits(args[2]!, args[0]!))
      throw typeError(
        `expected default value to be the same type as the value expression: ${typeText(args[0]!)} != ${typeText(args[2]!)}`,
      );
    return args[0]!;
  },
  // the offset is an int8 in Kwil and an int4 in Postgres
  format: ([value, offset, ...rest]) =>
    `${name}(${[value, ...(offset === undefined ? [] : [`(${offset})::INT4`]), ...rest].join(', ')})`,
});

function arrayAndItem(verb: string, array: DataType, item: DataType): DataType {
  if (!array.isArray) throw typeError(`expected first argument to be an array, got ${typeText(array)}`);
  if (item.isArray) throw typeError(`expected second argument to be a scalar, got ${typeText(item)}`);
  if (array.name !== item.name && item.name !== 'null' && array.name !== 'null')
    throw typeError(
      `${verb} type must be equal to scalar array type. array type: ${array.name} ${verb} type: ${item.name}`,
    );
  return array.name === 'null' ? arrayOf(item) : array;
}

const DECIMAL_16_6 = numeric(16, 6);
const KWIL_UUID_NAMESPACE = 'a247cac1-d817-4949-bac7-dc4b1dc41d09';

export const FUNCTIONS: ReadonlyMap<string, FunctionDefinition> = new Map<string, FunctionDefinition>([
  [
    'abs',
    {
      kind: 'scalar',
      result(args) {
        count(args, 1, 1);
        if (!fits(args[0]!, INT8) && args[0]!.name !== 'numeric')
          throw typeError(`expected argument to be int or decimal, got ${typeText(args[0]!)}`);
        return args[0]!;
      },
      format: plain('abs'),
    },
  ],
  ['error', fixed('error', [TEXT], TEXT, 0, args => `kwild_engine.error(${args.join(', ')})::text`)],
  [
    'notice',
    fixed('notice', [TEXT], NULL, 0, () => {
      throw new Error('illegal function usage: "notice" cannot be used in SQL statements');
    }),
  ],
  ['parse_unix_timestamp', fixed('kwild_engine.parse_unix_timestamp', [TEXT, TEXT], DECIMAL_16_6)],
  ['format_unix_timestamp', fixed('kwild_engine.format_unix_timestamp', [DECIMAL_16_6, TEXT], TEXT)],
  ['uuid_generate_v5', fixed('kwild_engine.uuid_generate_v5', [UUID, TEXT], UUID)],
  [
    'uuid_generate_kwil',
    fixed('', [TEXT], UUID, 0, args => `kwild_engine.uuid_generate_v5('${KWIL_UUID_NAMESPACE}'::uuid,${args[0]!})`),
  ],
  ['encode', fixed('encode', [BYTEA, TEXT], TEXT)],
  ['decode', fixed('decode', [TEXT, TEXT], BYTEA)],
  [
    'digest',
    {
      kind: 'scalar',
      result(args) {
        count(args, 2, 2);
        if (!fits(args[0]!, TEXT) && !fits(args[0]!, BYTEA))
          throw typeError(`expected first argument to be text or blob, got ${typeText(args[0]!)}`);
        if (!fits(args[1]!, TEXT)) throw wrongType(TEXT, args[1]!);
        return BYTEA;
      },
      format: plain('kwild_engine.digest'),
    },
  ],
  [
    'array_append',
    {
      kind: 'scalar',
      result(args) {
        count(args, 2, 2);
        return arrayAndItem('append', args[0]!, args[1]!);
      },
      format: plain('array_append'),
    },
  ],
  [
    'array_prepend',
    {
      kind: 'scalar',
      result(args) {
        count(args, 2, 2);
        return arrayAndItem('prepend', args[1]!, args[0]!);
      },
      format: plain('array_prepend'),
    },
  ],
  [
    'array_remove',
    {
      kind: 'scalar',
      result(args) {
        count(args, 2, 2);
        return arrayAndItem('remove', args[0]!, args[1]!);
      },
      format: plain('array_remove'),
    },
  ],
  [
    'array_cat',
    {
      kind: 'scalar',
      result(args) {
        count(args, 2, 2);
        for (const [index, arg] of args.entries())
          if (!arg.isArray)
            throw typeError(
              `expected ${index === 0 ? 'first' : 'second'} argument to be an array, got ${typeText(arg)}`,
            );
        if (args[0]!.name !== args[1]!.name)
          throw typeError(
            `expected both arrays to be of the same scalar type, got ${args[0]!.name} and ${args[1]!.name}`,
          );
        return args[0]!;
      },
      format: plain('array_cat'),
    },
  ],
  [
    'array_length',
    {
      kind: 'scalar',
      result(args) {
        count(args, 1, 2);
        if (!args[0]!.isArray) throw typeError(`expected argument to be an array, got ${typeText(args[0]!)}`);
        if (args.length === 2 && !fits(args[1]!, INT8)) throw wrongType(INT8, args[1]!);
        return INT8;
      },
      format: args => `array_length(${args[0]!}, ${args[1] === undefined ? '1' : `(${args[1]})::INT4`})`,
    },
  ],
  ...['bit_length', 'char_length', 'character_length', 'length', 'octet_length'].map(
    (name): [string, FunctionDefinition] => [name, fixed(name, [TEXT], INT8)],
  ),
  ...['lower', 'upper'].map((name): [string, FunctionDefinition] => [name, fixed(name, [TEXT], TEXT)]),
  ...['ltrim', 'rtrim', 'trim'].map((name): [string, FunctionDefinition] => [name, fixed(name, [TEXT, TEXT], TEXT, 1)]),
  ...['lpad', 'rpad'].map((name): [string, FunctionDefinition] => [
    name,
    fixed(
      name,
      [TEXT, INT8, TEXT],
      TEXT,
      1,
      ([text, length, fill]) => `${name}(${text!}, ${length!}::INT4${fill === undefined ? '' : `, ${fill}`})`,
    ),
  ]),
  [
    'overlay',
    fixed(
      'overlay',
      [TEXT, TEXT, INT8, INT8],
      TEXT,
      1,
      ([text, part, from, length]) =>
        `overlay(${text!} placing ${part!} from ${from!}::INT4${length === undefined ? '' : ` for ${length}::INT4`})`,
    ),
  ],
  ['position', fixed('position', [TEXT, TEXT], INT8, 0, ([part, text]) => `position(${part!} in ${text!})`)],
  ['strpos', fixed('strpos', [TEXT, TEXT], INT8)],
  [
    'substring',
    fixed(
      'substring',
      [TEXT, INT8, INT8],
      TEXT,
      1,
      ([text, from, length]) =>
        `substring(${text!} from ${from!}::INT4${length === undefined ? '' : ` for ${length}::INT4`})`,
    ),
  ],
  [
    'format',
    {
      kind: 'scalar',
      result(args) {
        count(args, 1, Infinity);
        if (!fits(args[0]!, TEXT)) throw wrongType(TEXT, args[0]!);
        return TEXT;
      },
      format: plain('format'),
    },
  ],
  [
    'coalesce',
    {
      kind: 'scalar',
      result(args) {
        count(args, 1, Infinity);
        allSame(args);
        return args.find(arg => arg.name !== 'null') ?? args[0]!;
      },
      format: plain('coalesce'),
    },
  ],
  ['greatest', extreme('greatest')],
  ['least', extreme('least')],
  [
    'nullif',
    {
      kind: 'scalar',
      result(args) {
        count(args, 2, 2);
        if (!fits(args[0]!, args[1]!))
          throw typeError(
            `both arguments must be the same type, but got ${typeText(args[0]!)} and ${typeText(args[1]!)}`,
          );
        if (args[0]!.name === 'null' && args[1]!.name === 'null')
          throw typeError('both arguments to NULLIF cannot be null');
        return args[0]!.name === 'null' ? args[1]! : args[0]!;
      },
      format: plain('nullif'),
    },
  ],
  [
    'count',
    {
      kind: 'aggregate',
      result(args) {
        if (args.length > 1) throw new Error(`invalid number of arguments: expected at most 1, got ${args.length}`);
        return INT8;
      },
      format: (args, distinct) => (args.length === 0 ? 'count(*)' : aggregate('count')(args, distinct)),
    },
  ],
  [
    'sum',
    {
      kind: 'aggregate',
      result(args) {
        count(args, 1, 1);
        const arg = args[0]!;
        if (!isNumber(arg)) throw typeError(`expected argument to be numeric, got ${typeText(arg)}`);
        return arg.name === 'numeric' ? numeric(1000, arg.scale) : numeric(1000, 0);
      },
      format: aggregate('sum'),
    },
  ],
  ['min', lowest('min')],
  ['max', lowest('max')],
  [
    'avg',
    {
      kind: 'aggregate',
      result(args) {
        count(args, 1, 1);
        if (args[0]!.name !== 'numeric') throw typeError(`expected argument to be numeric, got ${typeText(args[0]!)}`);
        return args[0]!;
      },
      format: aggregate('avg'),
    },
  ],
  [
    'array_agg',
    {
      kind: 'aggregate',
      result(args) {
        count(args, 1, 1);
        if (args[0]!.isArray) throw typeError(`expected argument to be a scalar, got ${typeText(args[0]!)}`);
        return arrayOf(args[0]!);
      },
      // ordered, so that every node gets the same array
      format: (args, distinct) => `array_agg(${distinct ? 'DISTINCT ' : ''}${args[0]!} ORDER BY ${args[0]!})`,
    },
  ],
  ['lag', neighbour('lag')],
  ['lead', neighbour('lead')],
  ...['first_value', 'last_value'].map((name): [string, FunctionDefinition] => [
    name,
    {
      kind: 'window',
      result(args) {
        count(args, 1, 1);
        return args[0]!;
      },
      format: plain(name),
    },
  ]),
  [
    'nth_value',
    {
      kind: 'window',
      result(args) {
        count(args, 2, 2);
        if (!fits(args[1]!, INT8)) throw wrongType(INT8, args[1]!);
        return args[0]!;
      },
      format: ([value, nth]) => `nth_value(${value!}, (${nth!})::INT4)`,
    },
  ],
  [
    'row_number',
    {
      kind: 'window',
      result(args) {
        count(args, 0, 0);
        return INT8;
      },
      format: plain('row_number'),
    },
  ],
]);

import { canonicalTypeName, type EncodedValue } from '../../protocol/index.js';
import { HandlerPanic, invalidParams, RpcError } from './errors.js';
import { base64Value, boolField, fieldsOf, textField } from './go-json.js';

/**
 * Parameters of `user.query` and arguments of calls, refused with the node's own words. What makes a node's handler panic
 * does so here (reference 12.3 #8, #9).
 */
export function parameterOf(json: unknown): EncodedValue {
  if (json === null || json === undefined) throw new HandlerPanic('null parameter');
  const fields = fieldsOf(json, 'types.EncodedValue');
  const type = fieldsOf(fields.get('type'), 'types.DataType');
  const metadata = fields.get('type') === undefined ? undefined : type.get('metadata');
  const [precision = 0, scale = 0] = Array.isArray(metadata) ? (metadata as number[]) : [];
  const data = fields.get('data');
  if (data !== undefined && !Array.isArray(data)) {
    throw invalidParams('json: cannot unmarshal value into Go struct field EncodedValue.data of type [][]uint8');
  }
  const elements = ((data as unknown[] | undefined) ?? []).map(base64Value);
  const name = textField(type, 'name');
  return checkedValue(
    { type: { name, isArray: boolField(type, 'is_array'), precision, scale }, elements },
    'failed to decode parameter: ',
  );
}

/** The value with its type name in Kwil's spelling, or the node's refusal. */
export function checkedValue(value: EncodedValue, prefix: string): EncodedValue {
  const { type, elements } = value;
  const refuse = (text: string): Error => invalidParams(prefix + text);
  const name = canonicalTypeName(type.name);
  if (name === null) throw refuse(`unknown type ${JSON.stringify(type.name)}`);
  if (name === 'null') return { type: { ...type, name }, elements: [new Uint8Array([0])] };
  if (name === 'numeric') {
    if (type.precision < 1) throw refuse(`precision must be at least 1: ${type.precision}`);
    if (type.scale > type.precision) {
      throw refuse(`scale must be less than or equal to precision: ${type.scale} > ${type.precision}`);
    }
  }
  if (!type.isArray && elements.length !== 1) throw refuse(`expected 1 element, got ${elements.length}`);
  for (const element of elements) checkElement(name, type, element, refuse);
  if (type.isArray && name === 'numeric' && elements.length === 0) {
    throw new RpcError(-300, 'postgres SQL generation error: numeric type requires metadata');
  }
  return { type: { ...type, name }, elements };
}

function checkElement(
  name: string,
  type: EncodedValue['type'],
  element: Uint8Array,
  refuse: (text: string) => Error,
): void {
  if (element.length === 0) throw new HandlerPanic('empty data element');
  if (element[0]! > 1) throw refuse(`expected 0 or 1 for first byte, got ${element[0]}`);
  if (element[0] === 0) return;
  const size = element.length - 1;
  switch (name) {
    case 'int8':
      if (size !== 8) throw refuse('int must be 8 bytes');
      return;
    case 'bool':
      if (size === 0) throw new HandlerPanic('bool without its byte');
      return;
    case 'uuid':
      if (size !== 16) throw refuse('uuid must be 16 bytes');
      return;
    case 'int4':
      throw refuse('cannot decode type int4');
    case 'numeric': {
      const text = Buffer.from(element.subarray(1)).toString('utf8');
      if (/^[+-]?nan$/i.test(text)) throw new RpcError(-300, 'panic: NaN');
      if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) throw refuse('parse mantissa: ' + text);
      if (wholeDigits(text) > type.precision - type.scale) throw refuse('invalid operation');
      return;
    }
    default:
  }
}

/** Digits in front of the decimal point, once the exponent is applied. */
function wholeDigits(text: string): number {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().replace(/^[+-]/, '').split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = (whole + fraction).replace(/^0+/, '');
  return digits === '' ? 0 : digits.length - fraction.length + Number(exponent);
}

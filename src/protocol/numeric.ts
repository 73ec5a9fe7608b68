import { CodecError } from './errors.js';

/** Longest decimal text we look at: precision 1000, sign, point, exponent. */
const TEXT_MAX = 4_096;
const EXPONENT_MAX = 2_000;

interface Decimal {
  readonly negative: boolean;
  /** Digits without leading zeros, at least one. */
  readonly digits: string;
  /** Digits behind the point, never negative. */
  readonly scale: number;
}

function parseDecimal(text: string): Decimal {
  const match =
    text.length <= TEXT_MAX ? /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,5}))?$/.exec(text) : null;
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match ?? [];
  const exponent = Number(exponentText);
  if (match === null || whole + fraction === '' || Math.abs(exponent) > EXPONENT_MAX)
    throw new CodecError('not a decimal number', 0);
  const all = whole + fraction;
  const places = fraction.length - exponent;
  const digits = (places < 0 ? all + '0'.repeat(-places) : all).replace(/^0+(?=[0-9])/, '');
  return { negative: sign === '-', digits, scale: Math.max(0, places) };
}

const isZero = ({ digits }: Decimal): boolean => /^0+$/.test(digits);

function plainText({ negative, digits, scale }: Decimal): string {
  const padded = digits.padStart(scale + 1, '0');
  const point = padded.length - scale;
  const text = scale === 0 ? padded : `${padded.slice(0, point)}.${padded.slice(point)}`;
  return negative ? `-${text}` : text;
}

/**
 * A numeric as Kwil writes it in results and changesets (reference 5): trailing zeros of the scale stay, zero keeps its
 * scale, and what is not zero but below 10⁻⁶ becomes scientific with the trailing zeros in the mantissa.
 * Takes plain or scientific decimal text. Throws CodecError.
 */
export function formatNumeric(text: string): string {
  const decimal = parseDecimal(text);
  if (isZero(decimal)) return plainText({ ...decimal, negative: false });
  // Exponent of the first digit: 0.0000012 has −6 and stays plain.
  const exponent = decimal.digits.length - 1 - decimal.scale;
  if (exponent >= -6) return plainText(decimal);
  const [first, ...rest] = decimal.digits;
  const mantissa = rest.length === 0 ? first : `${first}.${rest.join('')}`;
  return `${decimal.negative ? '-' : ''}${mantissa}E${exponent}`;
}

/** The same number without exponent, trailing zeros kept: `1.200E-7` is `0.0000001200`. Throws CodecError. */
export const plainNumeric = (text: string): string => plainText(parseDecimal(text));

/** Whether two decimal texts are the same number, as Postgres compares them: trailing zeros do not count. */
export function equalNumeric(a: string, b: string): boolean {
  return normalText(parseDecimal(a)) === normalText(parseDecimal(b));
}

function normalText(decimal: Decimal): string {
  if (isZero(decimal)) return '0';
  const text = plainText(decimal);
  return decimal.scale === 0 ? text : text.replace(/\.?0+$/, '');
}

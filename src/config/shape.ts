import { z } from 'zod';
import { configSchema } from './schema.js';

/** The part of JSON Schema that configSchema uses. */
export interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Shape;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly 'x-form'?: string;
  readonly 'x-reload'?: boolean;
}

export type ConfigPath = readonly (string | number)[];

let whole: (Shape & Record<string, unknown>) | undefined;

/** JSON Schema of what people write: for editors (`# yaml-language-server: $schema=…`) and for our own messages. */
export function configJsonSchema(): Shape & Record<string, unknown> {
  whole ??= {
    ...(z.toJSONSchema(configSchema, { io: 'input' }) as Shape & Record<string, unknown>),
    title: 'Switchyard configuration',
  };
  return whole;
}

/** Shape of the value at `path`; undefined where the schema knows no such key. */
export function shapeAt(path: ConfigPath): Shape | undefined {
  let shape: Shape | undefined = configJsonSchema();
  for (const key of path) shape = shape && childShape(shape, key);
  return shape;
}

/** Keys that may stand at `path`; empty where none are known by name. */
export const knownKeys = (path: ConfigPath): readonly string[] => Object.keys(shapeAt(path)?.properties ?? {});

/** Whether a change of the value at `path` takes effect without a restart: it or a section around it says so. */
export function isReloadable(path: ConfigPath): boolean {
  return path.some((_, index) => shapeAt(path.slice(0, index + 1))?.['x-reload'] === true);
}

/** The allowed values in words, for messages. */
export function allowedText(shape: Shape): string {
  if (shape.anyOf) return shape.anyOf.map(allowedText).join(', or ');
  if (shape['x-form'] !== undefined) return shape['x-form'];
  if (shape.enum) return shape.enum.map(String).join(' | ');
  if (shape.const !== undefined) return JSON.stringify(shape.const);
  switch (shape.type) {
    case 'integer':
    case 'number':
      return `${shape.type === 'integer' ? 'a whole number' : 'a number'}${range(shape.minimum, shape.maximum)}`;
    case 'array':
      return `a list${range(shape.minItems, shape.maxItems, ' entries')}`;
    case 'object':
      return shape.properties ? `a section with ${Object.keys(shape.properties).join(', ')}` : 'a map of name: value';
    case 'string':
      return `text${range(shape.minLength, shape.maxLength, ' characters')}`;
    default:
      return shape.type ?? 'another value';
  }
}

/** `networks.old.nodes[0].url`: the form in messages, `--set` and `config show`. */
export function pathText(path: ConfigPath): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );
}

/** Reads the form of pathText; also takes `nodes.0.url`. */
export function parsePath(text: string): ConfigPath {
  const keys = text.replace(/\[(\d{1,3})\]/g, '.$1').split('.');
  return keys.map(key => (/^\d{1,3}$/.test(key) ? Number(key) : key));
}

function childShape(shape: Shape, key: string | number): Shape | undefined {
  if (shape.anyOf) {
    for (const branch of shape.anyOf) {
      const child = childShape(branch, key);
      if (child) return child;
    }
    return undefined;
  }
  if (typeof key === 'number') return shape.items;
  const named = shape.properties && Object.hasOwn(shape.properties, key) ? shape.properties[key] : undefined;
  return named ?? (typeof shape.additionalProperties === 'object' ? shape.additionalProperties : undefined);
}

function range(min: number | undefined, max: number | undefined, unit = ''): string {
  const isBig = (n: number | undefined): boolean => n === undefined || Math.abs(n) >= Number.MAX_SAFE_INTEGER;
  if (isBig(min) && isBig(max)) return '';
  if (isBig(max)) return ` of at least ${min}${unit}`;
  return isBig(min) ? ` of at most ${max}${unit}` : ` of ${min} to ${max}${unit}`;
}

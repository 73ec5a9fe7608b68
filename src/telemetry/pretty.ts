/** Lines for a person at a terminal, made from pino's JSON lines: `21:16:03.123 INFO  gateway started  epoch=1`. */
export function prettyLine(json: string, colours: boolean): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const { level, time, msg, component, err, ...rest } = entry;
  const paint = (code: number, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  const facts = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${paint(2, `${key}=`)}${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const name = textOf(level).toUpperCase().padEnd(5);
  const stack = (err as { stack?: unknown } | undefined)?.stack;
  return [
    `${textOf(time).slice(11, 23)} ${paint(COLOURS[textOf(level)] ?? 0, name)} ${component === undefined ? '' : `${textOf(component)}: `}${textOf(msg)}`,
    ...(facts.length > 0 ? [`  ${facts.join(' ')}`] : []),
    ...(typeof stack === 'string' ? [`\n  ${stack.replaceAll('\n', '\n  ')}`] : []),
    '\n',
  ].join('');
}

const COLOURS: Readonly<Record<string, number>> = { fatal: 41, error: 31, warn: 33, info: 32, debug: 36, trace: 2 };

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);

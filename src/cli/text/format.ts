/** `12,345`; `-` for what is not known. */
export const number = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : Math.round(value).toLocaleString('en-US');

/** `850 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`; `-` for what is not known. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '-';
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return pair(hours, 'h', minutes % 60, 'min');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** `0 B`, `12.3 kB`, `64.0 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let amount = value;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${amount} B` : `${amount.toFixed(1)} ${units[unit]}`;
}

/** Time since `iso`, or `never`. */
export const age = (iso: string | null, nowMs: number): string =>
  iso === null ? 'never' : `${duration(Math.max(0, nowMs - Date.parse(iso)))} ago`;

/** `3 blocks`, `1 block`. */
export const plural = (value: number, word: string): string => `${number(value)} ${word}${value === 1 ? '' : 's'}`;

/** `21:16:03` in local time. */
export const clockTime = (ms: number): string => new Date(ms).toTimeString().slice(0, 8);

/** `2026-11-22 21:16:03Z`: sorted and copied without thought. */
export const stamp = (iso: string): string => `${iso.slice(0, 19).replace('T', ' ')}Z`;

import { createHash } from 'node:crypto';
import { GatewayError } from '../model/index.js';

/**
 * Text, one record per line, so that an operator can read a journal with `less`:
 *
 *     switchyard-journal 1 <id: 32 hex digits>
 *     <chain: 64 hex digits> {"sequence":1,"at":…,"kind":…,"data":…}
 *
 * `chain` is SHA-256 over the chain value of the line before (the header line begins it) and the JSON text. A record is
 * there exactly when its line feed is: it is the last byte of the one write that a record takes, and JSON has no line
 * feed inside. That is what tells a torn tail (the write never finished) from damage (a finished record does not match).
 */
export const JOURNAL_VERSION = 1;

const MAGIC = 'switchyard-journal';
const HEADER = /^switchyard-journal (\d{1,9}) ([0-9a-f]{32})$/;
const CHAIN_LENGTH = 64;
const LF = 0x0a;

export interface JournalRecord {
  /** 1, 2, 3 … without gaps. */
  readonly sequence: number;
  /** Wall clock, ms. */
  readonly at: number;
  readonly kind: string;
  /** Plain JSON data. */
  readonly data: unknown;
}

export interface JournalContent {
  readonly id: string;
  readonly records: readonly JournalRecord[];
  /** Chain value that the next record builds on. */
  readonly chain: string;
  /** Bytes up to the end of the last whole record; what follows is a torn tail. */
  readonly goodLength: number;
  /** Where the last whole record begins; equals `goodLength` when there is none. */
  readonly lastOffset: number;
}

export const headerLine = (id: string): Buffer => Buffer.from(`${MAGIC} ${JOURNAL_VERSION} ${id}\n`);

export const firstChain = (id: string): string => sha256(`${MAGIC} ${JOURNAL_VERSION} ${id}`);

export function encodeRecord(chain: string, record: JournalRecord): { line: Buffer; chain: string } {
  const json = JSON.stringify(record);
  const next = sha256(chain, json);
  return { line: Buffer.from(`${next} ${json}\n`), chain: next };
}

/**
 * Reads a whole journal file. `null`: nothing was ever recorded (an empty file, or a header whose write was cut).
 * Errors: `journal_newer` (config), `journal_damaged` (integrity; `details` name the record and the offset).
 */
export function decodeJournal(bytes: Buffer): JournalContent | null {
  const headerEnd = bytes.indexOf(LF);
  if (headerEnd < 0) {
    if (isTornHeader(bytes)) return null;
    throw damaged(0, 0, 'the file does not begin with a journal header');
  }
  const header = HEADER.exec(bytes.toString('latin1', 0, headerEnd));
  if (header === null) throw damaged(0, 0, 'the file does not begin with a journal header');
  const version = Number(header[1]);
  if (version !== JOURNAL_VERSION) {
    throw new GatewayError(
      'journal_newer',
      'config',
      `the journal has format ${version}, this program reads format ${JOURNAL_VERSION}: start the version that wrote it`,
      { details: { version, supported: JOURNAL_VERSION } },
    );
  }

  const records: JournalRecord[] = [];
  let chain = firstChain(header[2]!);
  let offset = headerEnd + 1;
  let lastOffset = offset;
  for (;;) {
    const end = bytes.indexOf(LF, offset);
    if (end < 0) return { id: header[2]!, records, chain, goodLength: offset, lastOffset };
    const line = bytes.subarray(offset, end);
    // A power cut may persist the end of the one write that was under way and not its beginning, which then reads as zeros.
    if (end + 1 === bytes.length && line.includes(0))
      return { id: header[2]!, records, chain, goodLength: offset, lastOffset };
    const json = line.subarray(CHAIN_LENGTH + 1);
    const stated = line.toString('latin1', 0, CHAIN_LENGTH);
    if (line[CHAIN_LENGTH] !== 0x20 || stated !== sha256(chain, json)) {
      throw damaged(records.length + 1, offset, 'its checksum does not match');
    }
    const record = JSON.parse(json.toString('utf8')) as JournalRecord;
    if (record.sequence !== records.length + 1)
      throw damaged(records.length + 1, offset, `it is numbered ${record.sequence}`);
    records.push(record);
    chain = stated;
    lastOffset = offset;
    offset = end + 1;
  }
}

const sha256 = (text: string, rest: string | Uint8Array = ''): string =>
  createHash('sha256').update(text).update(rest).digest('hex');

/** The cut beginning of a header line, or zeros that a power cut left in its place. */
const isTornHeader = (bytes: Buffer): boolean =>
  bytes.every(byte => byte === 0) ||
  `${MAGIC} ${JOURNAL_VERSION} `.startsWith(bytes.toString('latin1')) ||
  /^switchyard-journal 1 [0-9a-f]{0,32}$/.test(bytes.toString('latin1'));

const damaged = (record: number, offset: number, why: string): GatewayError =>
  new GatewayError(
    'journal_damaged',
    'integrity',
    `the journal is damaged at record ${record} (byte ${offset}): ${why}. Nothing is decided from a damaged journal: ` +
      'restore the file from a copy, or move it away only when you know which network took the last writes',
    { details: { record, offset } },
  );

import { describe, expect, it } from 'vitest';
import {
  bytesOfBase64,
  bytesOfHex,
  CodecError,
  decodeCall,
  decodeCallMessage,
  decodeCallResult,
  decodeChangesetMetadata,
  decodeEncodedValueJson,
  decodeMigrationMetadata,
  decodeMigrationStatus,
  decodePendingMigrations,
  decodeQueryResult,
  decodeSnapshotMetadata,
  decodeTxJson,
  encodeCall,
  encodeCallMessage,
  encodeCallResult,
  encodeChangesetMetadata,
  encodeEncodedValueJson,
  encodeMigrationMetadata,
  encodeMigrationStatus,
  encodePendingMigrations,
  encodeQueryResult,
  encodeSnapshotMetadata,
  encodeTxJson,
  hexOf,
  httpStatusOf,
  isMethodName,
  parseJson,
  restoreId,
  rpcError,
  RPC_CODES,
  scanAnswer,
  scanBroadcast,
  scanEnvelope,
  sha256Hex,
  signedCallText,
  signedQueryText,
  sliceOf,
  txHash,
  utf8Bytes,
  verifyMessage,
  type JsonObject,
} from '../../src/protocol/index.js';
import {
  bodyBytes,
  exchangeFiles,
  exchanges,
  goldenBytes,
  goldenJson,
  goldenText,
  type Exchange,
} from '../support/golden.js';

interface Call {
  readonly file: string;
  readonly exchange: Exchange;
  readonly request: Buffer;
  readonly method: string;
  readonly params: Buffer;
  /** Exact text of the result or null. */
  readonly result: string | null;
  readonly answer: Buffer;
  readonly error: { readonly code: number; readonly message: string; readonly data?: Record<string, unknown> } | null;
}

/** Every recorded JSON-RPC exchange whose bodies were kept and whose request is accepted by our scanner. */
const calls: Call[] = [];
/** Requests that our scanner refuses, with what it said. */
const refused: {
  file: string;
  exchange: Exchange;
  code: number;
  httpStatus: number;
  reason: string;
  id: string | null;
}[] = [];

for (const file of exchangeFiles())
  for (const exchange of exchanges(file)) {
    if (exchange.request.method !== 'POST' || !exchange.request.path.startsWith('/rpc/v1')) continue;
    const request = bodyBytes(exchange.request);
    const answer = bodyBytes(exchange.response);
    if (request === null) continue;
    const scan = scanEnvelope(request);
    if (!scan.ok) {
      const id = scan.id === null ? null : Buffer.from(scan.id).toString();
      refused.push({ file, exchange, code: scan.code, httpStatus: scan.httpStatus, reason: scan.reason, id });
      continue;
    }
    if (answer === null) continue;
    const parts = scanAnswer(answer);
    calls.push({
      file,
      exchange,
      request,
      method: scan.method,
      params: scan.params === null ? Buffer.from('{}') : Buffer.from(sliceOf(request, scan.params)),
      result: parts.kind === 'result' ? Buffer.from(sliceOf(answer, parts.result)).toString() : null,
      answer,
      error:
        parts.kind === 'error'
          ? (JSON.parse(Buffer.from(sliceOf(answer, parts.error)).toString()) as Call['error'])
          : null,
    });
  }

const of = (...methods: string[]): Call[] => calls.filter(call => methods.includes(call.method));
const where = (call: Call): string => `${call.file} ${call.exchange.stage ?? ''} ${call.exchange.name}`;
const parsedParams = (call: Call): Record<string, unknown> =>
  JSON.parse(call.params.toString()) as Record<string, unknown>;

describe('recorded requests', () => {
  it('are read as JSON.parse reads them', () => {
    expect(calls.length).toBeGreaterThan(1500);
    for (const call of calls) {
      const parsed = JSON.parse(call.request.toString()) as { method: string; params?: unknown };
      expect(call.method, where(call)).toBe(parsed.method);
      expect(JSON.parse(call.params.toString()), where(call)).toEqual(
        parsed.params ?? (parsed.params === null ? null : {}),
      );
    }
  });

  it('are refused as a node refuses them, or because a node could read them differently', () => {
    const differently = new Set<string>();
    for (const { file, exchange, code, httpStatus, reason, id } of refused) {
      if (reason === 'bad_envelope') {
        differently.add(exchange.name);
        continue;
      }
      const answered = JSON.parse(exchange.response.body!) as { id?: unknown; error: { code: number } };
      expect({ code, httpStatus }, `${file} ${exchange.name}`).toEqual({
        code: answered.error.code,
        httpStatus: exchange.response.status,
      });
      expect(id === null ? undefined : JSON.parse(id), `${file} ${exchange.name}`).toEqual(answered.id);
    }
    expect([...differently].sort()).toEqual([
      'extra-envelope-member',
      'method-disguised-upper',
      'method-duplicate-last-wins',
      'method-upper-key',
      'params-long-s',
    ]);
  });

  it('name methods of the table, except where the node does not know them either', () => {
    for (const call of calls)
      if (!isMethodName(call.method)) expect(call.error?.code, where(call)).toBe(RPC_CODES.methodNotFound);
  });
});

describe('recorded answers', () => {
  it('give back the caller’s id with result and error bytes untouched', () => {
    const caller = utf8Bytes('18446744073709551616');
    let seen = 0;
    for (const call of calls) {
      const parts = scanAnswer(call.answer);
      if (parts.kind === 'malformed' || parts.id === null) continue;
      const restored = restoreId(call.answer, sliceOf(call.answer, parts.id), caller)!;
      const again = scanAnswer(restored);
      expect(again.kind, where(call)).toBe(parts.kind);
      if (again.kind === 'malformed' || again.id === null) throw new Error(`answer is lost: ${where(call)}`);
      expect(Buffer.from(sliceOf(restored, again.id)).toString()).toBe('18446744073709551616');
      const [before, after] =
        parts.kind === 'result' && again.kind === 'result'
          ? [parts.result, again.result]
          : parts.kind === 'error' && again.kind === 'error'
            ? [parts.error, again.error]
            : [null, null];
      expect(Buffer.from(sliceOf(call.answer, before!)).equals(sliceOf(restored, after!)), where(call)).toBe(true);
      seen++;
    }
    expect(seen).toBeGreaterThan(1500);
  });

  it('have the HTTP status of their error code', () => {
    for (const call of calls) {
      const status = call.exchange.response.status;
      if (call.error === null || status === 503) continue;
      expect(httpStatusOf(call.error.code), where(call)).toBe(status);
    }
  });

  it('that are errors are written by rpcError byte for byte', () => {
    let compared = 0;
    for (const call of calls) {
      if (call.error === null || call.exchange.response.status === 503) continue;
      const parts = scanAnswer(call.answer);
      const id = parts.kind === 'error' && parts.id !== null ? sliceOf(call.answer, parts.id) : null;
      expect(rpcError(id, call.error).toString(), where(call)).toBe(call.answer.toString().trimEnd());
      compared++;
    }
    expect(compared).toBeGreaterThan(100);
  });
});

describe('recorded results round trip byte for byte', () => {
  const roundTrip = (methods: string[], again: (text: string) => string, least: number): void => {
    const found = of(...methods).filter(call => call.result !== null);
    for (const call of found) expect(again(call.result!), where(call)).toBe(call.result);
    expect(found.length).toBeGreaterThanOrEqual(least);
  };

  it('user.query and user.authenticated_query', () => {
    roundTrip(['user.query', 'user.authenticated_query'], text => encodeQueryResult(decodeQueryResult(text)), 240);
  });

  it('user.call', () => {
    roundTrip(['user.call'], text => encodeCallResult(decodeCallResult(text)), 20);
  });

  it('migration status, metadata, changeset metadata and pending migrations', () => {
    roundTrip(['user.migration_status'], text => encodeMigrationStatus(decodeMigrationStatus(text)), 20);
    roundTrip(['user.migration_metadata'], text => encodeMigrationMetadata(decodeMigrationMetadata(text)), 9);
    roundTrip(['user.changeset_metadata'], text => encodeChangesetMetadata(decodeChangesetMetadata(text)), 5);
    roundTrip(['user.list_migrations'], text => encodePendingMigrations(decodePendingMigrations(text)), 5);
  });

  it('transactions inside user.tx_query, chain.tx and chain.unconfirmed_txs', () => {
    let compared = 0;
    for (const call of of('user.tx_query', 'chain.tx')) {
      if (call.result === null) continue;
      const members = parseJson(call.result) as JsonObject;
      const tx = decodeTxJson(members.get('tx') as JsonObject);
      expect(call.result, where(call)).toContain(`"tx":${encodeTxJson(tx)}`);
      expect(txHash(tx)).toBe(members.get('tx_hash') ?? members.get('hash'));
      compared++;
    }
    expect(compared).toBeGreaterThan(20);
  });
});

describe('recorded broadcasts', () => {
  it('have the chain id and the hash that we read before sending', () => {
    let accepted = 0;
    for (const call of of('user.broadcast')) {
      const start = call.request.indexOf(call.params);
      const scan = scanBroadcast(call.request, { start, end: start + call.params.length });
      const parsed = parsedParams(call) as { tx?: { body?: { chain_id?: string } | null } | null };
      if (!scan.ok) {
        expect(call.error?.code, where(call)).toBe(RPC_CODES.invalidParams);
        continue;
      }
      expect(scan.chainId, where(call)).toBe(
        parsed.tx?.body === undefined || parsed.tx.body === null ? null : (parsed.tx.body.chain_id ?? ''),
      );
      const hash =
        (call.error?.data?.['hash'] as string | undefined) ??
        (call.result === null ? undefined : (JSON.parse(call.result) as { tx_hash: string }).tx_hash);
      if (hash === undefined || scan.tx === null) continue;
      expect(txHash(decodeTxJson(sliceOf(call.request, scan.tx))), where(call)).toBe(hash);
      accepted++;
    }
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('recorded parameters and calls', () => {
  it('user.query parameters keep their bytes', () => {
    let seen = 0;
    for (const call of of('user.query')) {
      const params = parsedParams(call)['params'];
      if (call.error?.code === RPC_CODES.invalidParams || params === null || typeof params !== 'object') continue;
      for (const value of Object.values(
        params as Record<string, { type: { metadata?: number[]; is_array?: boolean } } | null>,
      )) {
        if (value === null) continue;
        const text = encodeEncodedValueJson(decodeEncodedValueJson(JSON.stringify(value)));
        const expected = {
          ...value,
          type: { is_array: false, ...value.type, metadata: value.type.metadata ?? [0, 0] },
        };
        expect(JSON.parse(text), where(call)).toEqual(expected);
        seen++;
      }
    }
    expect(seen).toBeGreaterThan(30);
  });

  it('user.call payloads decode and encode to the same bytes', () => {
    let seen = 0;
    for (const call of of('user.call')) {
      if (call.error?.code === RPC_CODES.invalidParams || call.answer.length === 0) continue;
      const message = decodeCallMessage(call.params);
      expect(hexOf(encodeCall(decodeCall(message.payload))), where(call)).toBe(hexOf(message.payload));
      expect(decodeCallMessage(encodeCallMessage(message))).toEqual(message);
      seen++;
    }
    expect(seen).toBeGreaterThan(20);
  });

  it('signed calls of private mode verify exactly when the node answered them', () => {
    let good = 0;
    for (const call of of('user.call')) {
      if (call.error?.code === RPC_CODES.invalidParams || call.answer.length === 0) continue;
      const message = decodeCallMessage(call.params);
      if (message.challenge === null || message.signature.length === 0) continue;
      const text = signedCallText(decodeCall(message.payload), message.payload, message.challenge);
      const verdict = verifyMessage(message.authType, message.sender, utf8Bytes(text), message.signature);
      if (call.error?.code === RPC_CODES.callSignatureInvalid) expect(verdict.ok, where(call)).toBe(false);
      if (call.result !== null && call.file.includes('private')) {
        expect(verdict.ok, where(call)).toBe(true);
        good++;
      }
    }
    expect(good).toBeGreaterThan(2);
  });
});

describe('recorded authenticated queries', () => {
  it('verify exactly when the node answered them', () => {
    let good = 0;
    for (const call of of('user.authenticated_query')) {
      const params = parsedParams(call) as {
        body?: { Statement: string; Parameters: { Name: string; Value: unknown }[] | null };
        Challenge?: string;
        auth_type: string;
        sender: string;
        signature?: string;
      };
      if (params.body === undefined || typeof params.Challenge !== 'string' || typeof params.signature !== 'string')
        continue;
      const named = (params.body.Parameters ?? []).map(({ Name, Value }) => ({
        name: Name,
        value: decodeEncodedValueJson(JSON.stringify(Value)),
      }));
      const text = signedQueryText(params.body.Statement, named, bytesOfBase64(params.Challenge));
      const verdict = verifyMessage(
        params.auth_type,
        bytesOfHex(params.sender),
        utf8Bytes(text),
        bytesOfBase64(params.signature),
      );
      if (call.result === null) continue;
      expect(verdict.ok, where(call)).toBe(true);
      good++;
    }
    expect(good).toBeGreaterThan(2);
  });
});

describe('the recorded genesis', () => {
  it('is described by its metadata', () => {
    const answer = goldenText('genesis/migration_metadata.json');
    const result = Buffer.from(answer.trim());
    const parts = scanAnswer(result);
    if (parts.kind !== 'result') throw new Error('no result');
    const metadata = decodeMigrationMetadata(sliceOf(result, parts.result));
    const snapshot = decodeSnapshotMetadata(metadata.snapshotBytes!);
    expect(snapshot.height).toBe(metadata.state.startHeight);
    expect(snapshot.hash).toBe(metadata.genesisInfo!.appHash);
    expect(snapshot.chunkHashes).toEqual([sha256Hex(goldenBytes('genesis/chunk-0.bin'))]);
    expect(snapshot.size).toBe(goldenBytes('genesis/chunk-0.bin').length);
    expect(encodeSnapshotMetadata(snapshot)).toBe(Buffer.from(metadata.snapshotBytes!).toString());
    expect(
      bytesOfBase64(
        goldenJson<{ snapshot_metadata_decoded: { hash: string } }>('genesis/checks.json').snapshot_metadata_decoded
          .hash,
      ),
    ).toHaveLength(32);
  });
});

it('a malformed answer is an error of ours, never an exception of another kind', () => {
  for (const call of calls.slice(0, 200))
    for (const read of [
      decodeQueryResult,
      decodeCallResult,
      decodeMigrationStatus,
      decodeMigrationMetadata,
      decodeTxJson,
    ])
      try {
        read(call.answer);
      } catch (error) {
        expect(error, where(call)).toBeInstanceOf(CodecError);
      }
});

import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { GatewayError, messageOf } from '../model/index.js';

/** Reads certificate and key (PEM) and checks that they belong together before anybody uses them. */
export async function readTls(files: { readonly cert: string; readonly key: string }): Promise<{
  readonly cert: Buffer;
  readonly key: Buffer;
}> {
  try {
    const [cert, key] = await Promise.all([readFile(files.cert), readFile(files.key)]);
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (error) {
    throw new GatewayError('tls_unusable', 'config', `certificate or key cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

import type { Transaction } from '../../protocol/index.js';
import { invalidParams } from './errors.js';
import { base64Field, fieldsOf, hexField, textField } from './go-json.js';

/** TX of a request as the node's decoder reads it (reference 4.1); null when there is none. */
export function transactionOf(json: unknown): Transaction | null {
  if (json === null || json === undefined) return null;
  const fields = fieldsOf(json, 'types.Transaction');
  const signature = fields.get('signature');
  const body = fields.get('body');
  return {
    signature: signature === undefined ? null : signatureOf(signature),
    body: body === undefined ? null : bodyOf(body),
    serialization: textField(fields, 'serialization'),
    sender: hexField(fields, 'sender'),
  };
}

function signatureOf(json: unknown): Transaction['signature'] {
  const fields = fieldsOf(json, 'auth.Signature');
  return { sig: base64Field(fields, 'sig'), type: textField(fields, 'type') };
}

function bodyOf(json: unknown): Transaction['body'] {
  const fields = fieldsOf(json, 'types.TransactionBody');
  const nonce = fields.get('nonce') ?? 0;
  if (typeof nonce !== 'number' || !Number.isInteger(nonce) || nonce < 0) {
    throw invalidParams('json: cannot unmarshal value into Go struct field TransactionBody.nonce of type uint64');
  }
  const fee = textField(fields, 'fee');
  if (fee !== '' && !/^[+-]?\d+$/.test(fee)) throw invalidParams(`could not parse fee: ${JSON.stringify(fee)}`);
  return {
    desc: textField(fields, 'desc'),
    payload: base64Field(fields, 'payload'),
    type: textField(fields, 'type'),
    fee: fee === '' ? 0n : BigInt(fee.replace(/^\+/, '')),
    nonce: BigInt(nonce),
    chainId: textField(fields, 'chain_id'),
  };
}

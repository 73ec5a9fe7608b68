import { encodeParamUpdatesJson } from '../../protocol/index.js';
import { decodeParamProposal } from '../chain/params.js';
import { judgeMessage } from '../chain/signatures.js';
import type { NetworkCore } from '../network/network.js';
import type { DevNode } from '../node/node.js';
import { chainMethods } from './chain-methods.js';
import { methodContext, type MethodContext } from './context.js';
import { HandlerPanic } from './errors.js';
import { base64Field, fieldsOf, goJson, hexField, textField } from './go-json.js';
import { allHealth, restHealth, versionJson } from './health.js';
import { migrationMethods } from './migration-methods.js';
import { openRpcDocument } from './openrpc.js';
import type { RpcMethod } from './server.js';
import { userMethods } from './user-methods.js';

/** Every method that a node answers, by wire name. */
export function createMethods(node: DevNode, network: NetworkCore): ReadonlyMap<string, RpcMethod> {
  const context = methodContext(node, network, () => proposalsJson(node));
  return new Map(
    Object.entries({
      ...userMethods(context),
      ...migrationMethods(context),
      ...chainMethods(context),
      ...functionMethods(),
      ...builtIns(context),
    }),
  );
}

export { openRpcDocument };

export const healthAnswer = (node: DevNode, network: NetworkCore, service: string | null) =>
  restHealth(
    methodContext(node, network, () => ''),
    service,
  );

function functionMethods(): Record<string, RpcMethod> {
  return {
    'function.version': { goType: 'userjson.VersionRequest', run: () => versionJson('function') },
    'function.verify_sig': {
      goType: 'userjson.VerifySignatureRequest',
      run: params => {
        const fields = fieldsOf(params, 'userjson.VerifySignatureRequest');
        const signatureJson = fields.get('signature');
        const sender = hexField(fields, 'sender');
        const message = base64Field(fields, 'msg');
        if (signatureJson === undefined) throw new HandlerPanic('verify_sig without signature');
        const signature = fieldsOf(signatureJson, 'auth.Signature');
        const verdict = judgeMessage(textField(signature, 'type'), sender, message, base64Field(signature, 'sig'));
        return verdict.ok ? '{"valid":true}' : `{"valid":false,"reason":${goJson(verdict.reason)}}`;
      },
    },
  };
}

function builtIns(context: MethodContext): Record<string, RpcMethod> {
  return {
    'rpc.health': { goType: 'rpcserver.HealthRequest', run: () => allHealth(context).json },
    'rpc.discover': { goType: 'rpcserver.DiscoverRequest', run: openRpcDocument },
  };
}

function proposalsJson(node: DevNode): string {
  const open = node.view().openProposals;
  if (open.length === 0) return '{"proposals":null}';
  const proposals = open.map(({ id, body }) => {
    const { description, updates } = decodeParamProposal(body);
    return `{"id":"${id}","description":${goJson(description)},"updates":${encodeParamUpdatesJson(updates)}}`;
  });
  return `{"proposals":[${proposals.join(',')}]}`;
}

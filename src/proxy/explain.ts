import { isBatch, scanEnvelope, sliceOf } from '../protocol/index.js';
import {
  classify,
  explain,
  NO_FACTS,
  type CallFacts,
  type Hints,
  type NodeView,
  type RequestClass,
  type RoutingSnapshot,
} from '../routing/index.js';
import { readFacts } from './facts.js';
import type { Shield } from './shield.js';
import { readBroadcast, type Broadcast } from './transaction.js';

/** How a request would be routed now, and why. Nothing is sent, nothing the client wrote is repeated. */
export interface RequestExplanation {
  readonly method: string | null;
  readonly class: RequestClass | null;
  readonly decision: { readonly kind: string; readonly reason: string; readonly networks?: readonly string[] };
  readonly rule: { readonly id: string; readonly text: string } | null;
  readonly passed: readonly { readonly id: string; readonly text: string }[];
  readonly facts: readonly string[];
}

export interface ExplainPorts {
  readonly snapshot: () => RoutingSnapshot;
  readonly shield: Shield;
  /** The very functions that the request path uses. */
  readonly writeFacts: (broadcast: Broadcast, snapshot: RoutingSnapshot) => CallFacts;
  /** Writes of a network without a block, and how many may be. */
  readonly load: (network: 'old' | 'new') => {
    readonly unmined: number;
    readonly room: number;
    readonly waiting: number;
  };
  readonly hints: (cls: RequestClass, facts: CallFacts, params: Uint8Array | null) => Hints;
  readonly candidates: (network: 'old' | 'new') => readonly NodeView[];
}

export function explainRequest(request: Uint8Array, ports: ExplainPorts): RequestExplanation {
  const snapshot = ports.snapshot();
  const facts: string[] = [
    `phase ${snapshot.intent.phase}, epoch ${snapshot.intent.epoch}`,
    `writes: ${writesText(snapshot)}`,
  ];
  if (isBatch(request))
    return refused(null, 'bad_envelope', [...facts, 'this is a batch: explain its items one by one']);
  const scan = scanEnvelope(request);
  if (!scan.ok) return refused(null, 'bad_envelope', [...facts, scan.message]);
  const { method } = scan;
  const params = scan.params === null ? null : sliceOf(request, scan.params);

  let callFacts = method === 'user.broadcast' ? NO_FACTS : readFacts(method, params);
  if (method === 'user.broadcast') {
    const reading = readBroadcast(request, scan.params);
    if (!reading.ok) return refused(method, 'bad_envelope', [...facts, reading.message]);
    const { broadcast } = reading;
    facts.push(
      `transaction ${broadcast.hash}`,
      `names chain ${JSON.stringify(broadcast.chainId)}`,
      broadcast.sync ? 'waits for its block' : 'waits for admission',
    );
    const hits = ports.shield.check(broadcast.tx);
    for (const hit of hits) facts.push(`shield ${hit.name} (${hit.action}): ${hit.text}`);
    if (hits.some(hit => hit.action === 'refuse')) return refused(method, 'shielded', facts);
    callFacts = ports.writeFacts(broadcast, snapshot);
    if (callFacts.write?.stalled === true) facts.push('the head of the network stands');
    const { writes, affine } = snapshot.intent;
    const { unmined, room, waiting } = ports.load(writes.kind === 'refuse' ? affine : writes.network);
    const most = Number.isFinite(room) ? `, at most ${room} may be` : '';
    facts.push(`${unmined} writes of ours are in no block yet${most}; ${waiting} wait for their turn`);
  } else {
    const hits = ports.shield.checkCall(method, params);
    for (const hit of hits) facts.push(`shield ${hit.name} (${hit.action}): ${hit.text}`);
    if (hits.some(hit => hit.action === 'refuse')) return refused(method, 'shielded', facts);
  }
  if (callFacts.challenge !== null) facts.push('carries a challenge');
  if (callFacts.actionLookup) facts.push('looks an action up before a write');
  if (callFacts.hash !== null) facts.push(`asks for hash ${callFacts.hash}`);

  const cls = classify(method, callFacts);
  const { decision, rule, passed } = explain(cls, callFacts, snapshot, ports.hints(cls, callFacts, params));
  if (decision.kind === 'forward') {
    for (const network of decision.networks)
      facts.push(`nodes of ${network}, best first: ${nodesText(ports.candidates(network))}`);
  }
  return {
    method,
    class: cls,
    decision: {
      kind: decision.kind,
      reason: decision.reason,
      ...(decision.kind === 'forward' ? { networks: decision.networks } : {}),
    },
    rule: { id: rule.id, text: rule.text },
    passed: passed.map(({ id, text }) => ({ id, text })),
    facts,
  };
}

const refused = (method: string | null, reason: string, facts: readonly string[]): RequestExplanation => ({
  method,
  class: method === null ? null : classify(method, NO_FACTS),
  decision: { kind: 'refuse', reason },
  rule: null,
  passed: [],
  facts,
});

const writesText = ({ intent: { writes } }: RoutingSnapshot): string =>
  writes.kind === 'refuse' ? `refused (${writes.reason})` : `${writes.kind} ${writes.network}`;

const nodesText = (nodes: readonly NodeView[]): string =>
  nodes.length === 0 ? 'none' : nodes.map(({ name, state, height }) => `${name} (${state}, ${height})`).join(', ');

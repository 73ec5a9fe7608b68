import { KwilSigner, NodeKwil, Utils } from '@kwilteam/kwil-js';
import { Wallet } from 'ethers';
import { OWNER_KEY } from '../../../src/devnet/index.js';

/*
 * What the recorded application did with kwil-js 0.9.4, step by step: the name of a step as in the recording's
 * `.client.json`, and the call. The requests that a step causes have to be the recorded ones, so these calls are right
 * or the test fails.
 */

export interface Application {
  /** The client that most steps use. */
  readonly main: NodeKwil;
  /** Made for the steps that do not wait for blocks. */
  readonly hasty: () => NodeKwil;
  /** Reads the nonce with what waits in the mempool. */
  readonly counting: () => NodeKwil;
  /** Signs for another chain. */
  readonly stranger: () => NodeKwil;
  /** First id of the rows of this flow. */
  readonly base: number;
  /** Hash of the last transaction that went through, as kwil-js gives hashes: hex of what it took for base64. */
  lastHash: string;
  /** Hash of the transaction that was not waited for. */
  hastyHash: string | null;
}

type Step = (app: Application) => Promise<unknown>;

const wallet = new Wallet(`0x${OWNER_KEY}`);
const signer = new KwilSigner(wallet, wallet.address);
const OWNER = wallet.address.slice(2).toLowerCase();
const UUID = '5b473c3f-6b87-58a1-b47e-4cb4be8e49cc';

export function createApplication(url: string, chainId: string, otherChain: string, base: number): Application {
  const client = (chain: string, more: object = {}): NodeKwil =>
    new NodeKwil({ kwilProvider: url, chainId: chain, ...more });
  const once = (make: () => NodeKwil): (() => NodeKwil) => {
    let made: NodeKwil | null = null;
    return () => (made ??= make());
  };
  return {
    main: client(chainId),
    hasty: once(() => client(chainId)),
    counting: once(() => client(chainId, { unconfirmedNonce: true })),
    stranger: once(() => client(otherChain)),
    base,
    lastHash: '',
    hastyHash: null,
  };
}

const query =
  (statement: string, params?: Parameters<NodeKwil['selectQuery']>[1]): Step =>
  ({ main }) =>
    main.selectQuery(statement, params as never);

const value = (name: string, $a: unknown): Step => query(`SELECT $a AS ${name}`, { $a } as never);

type Inputs = Parameters<NodeKwil['execute']>[0]['inputs'];

/** An action of the lab namespace; the hash of one that goes through is kept. */
const execute =
  (
    name: string,
    inputs: (base: number) => unknown,
    options: { sync?: boolean; more?: object; by?: keyof Application } = {},
  ): Step =>
  async app => {
    const by = app[options.by ?? 'main'];
    const client = (typeof by === 'function' ? by() : by) as NodeKwil;
    const body = { namespace: 'lab', name, inputs: inputs(app.base) as Inputs, ...options.more };
    const sent = await client.execute(body as Parameters<NodeKwil['execute']>[0], signer, options.sync ?? true);
    app.lastHash = sent.data!.tx_hash;
    return sent;
  };

const execSql =
  (
    statement: string,
    params: (base: number) => unknown = () => ({}),
    options: { sync?: boolean; by?: 'stranger' } = {},
  ): Step =>
  app => {
    const client = options.by === 'stranger' ? app.stranger() : app.main;
    return client.execSql(statement, params(app.base) as never, signer, options.sync ?? true);
  };

const call =
  (name: string, inputs: object | undefined = undefined, signed = true): Step =>
  ({ main }) =>
    main.call({ namespace: 'lab', name, ...(inputs ? { inputs } : {}) } as never, signed ? signer : undefined);

const bump = () => [[1]];

/** kwil-js reads the hash text as base64 and gives its bytes in hex; it takes back the same. */
const txInfo =
  (hash: (app: Application) => string): Step =>
  app =>
    app.main.txInfo(hash(app));

export const STEPS: Readonly<Record<string, Step>> = {
  chainInfo: ({ main }) => main.chainInfo(),
  ping: ({ main }) => main.ping(),
  getAccount: ({ main }) => main.getAccount(wallet.address),
  'getAccount address': ({ main }) => main.getAccount(wallet.address),
  'getAccount hex without 0x': ({ main }) => main.getAccount(OWNER),
  'getAccount bytes': ({ main }) => main.getAccount(Uint8Array.from(Buffer.from(OWNER, 'hex'))),
  'getAccount unknown': ({ main }) => main.getAccount('77'.repeat(20)),

  selectQuery: query('SELECT count(*) AS n FROM lab.users'),
  'selectQuery no params': query('SELECT id, name, age, note FROM lab.users ORDER BY id LIMIT 3'),
  'selectQuery all types': query('SELECT * FROM lab.types'),
  'selectQuery empty': query('SELECT * FROM lab.users WHERE id = $id', { $id: 999_999 } as never),
  'selectQuery same text, other type than before': value('v', 'text now'),
  'selectQuery int': value('v1', 42),
  'selectQuery zero': value('v2', 0),
  'selectQuery max safe int': value('v3', Number.MAX_SAFE_INTEGER),
  'selectQuery negative int': value('v4', -42),
  'selectQuery fraction': value('v5', 12.5),
  'selectQuery negative fraction': value('v6', -12.5),
  'selectQuery text': value('v7', "it's ünï\n中"),
  'selectQuery empty text': value('v8', ''),
  'selectQuery uuid text': value('v9', UUID),
  'selectQuery bool': query('SELECT $a AS v10, $b AS w', { $a: true, $b: false } as never),
  'selectQuery bytes': value('v11', Uint8Array.from([0, 255, 1])),
  'selectQuery null': value('v12', null),
  'selectQuery text array': value('v13', ['a', 'b']),
  'selectQuery int array': value('v14', [1, 2, 300]),
  'selectQuery bool array': value('v15', [true, false]),
  'selectQuery bytes array': value('v16', [Uint8Array.from([1]), Uint8Array.from([2, 3])]),
  'selectQuery uuid array': value('v17', [UUID]),
  'selectQuery array with null': value('v18', ['a', null]),
  'selectQuery empty array': value('v19', []),
  'selectQuery param without $': query('SELECT $a AS v20', { a: 1 } as never),
  'selectQuery syntax error': query('SELEC'),
  'selectQuery missing table': query('SELECT * FROM lab.nope'),
  'selectQuery writing': query('INSERT INTO lab.users (id, name) VALUES (1, $a)', { $a: 'x' } as never),
  getActions: ({ main }) => main.getActions('lab'),

  'call view': call('count_users'),
  'call view, no inputs': call('get_users'),
  'call view without signer': call('count_users', undefined, false),
  'call of a non-view action': call('add_user', { $id: 1, $name: 'x', $age: 1 }),
  'call of a missing action': call('nope'),
  'call view raising ERROR': call('view_error'),
  'call view named input': call('echo', { $a: 7, $t: 'x' }),
  listDatabases: ({ main }) => main.listDatabases(),

  'execute insert named sync': execute('add_user', base => [{ $id: base, $name: "o'neil \n ü", $age: 30 }], {
    more: { description: 'insert by kwil-js' },
  }),
  'execute positional sync': execute('add_user', base => [[base + 1, 'pos', 31]]),
  'execute two calls sync': execute('add_user', base => [
    { $id: base + 2, $name: 'b1', $age: 1 },
    { $id: base + 3, $name: 'b2', $age: null },
  ]),
  'execute update sync': execute('rename_user', base => [{ $id: base, $name: 'renamed' }]),
  'execute delete sync': execute('del_user', base => [{ $id: base + 1 }]),
  'execute duplicate key (fails in block) sync': execute('add_user', base => [{ $id: base, $name: 'dup', $age: 1 }]),
  'execute all types sync': execute(
    'add_types',
    base => [
      {
        $id: `5b473c3f-6b87-58a1-b47e-4cb4be8e${base}`,
        $i: Number.MAX_SAFE_INTEGER,
        $t: 'NULL',
        $b: false,
        $n: '1.25',
        $u: '00000000-0000-4000-8000-000000000002',
        $y: Uint8Array.from([1, 2, 3]),
      },
    ],
    { more: { types: { $n: Utils.DataType.Numeric(38, 10) } } },
  ),
  'execute insert async': async app => {
    const insert = execute('add_user', base => [{ $id: base + 10, $name: 'async', $age: 1 }], {
      sync: false,
      by: 'hasty',
    });
    const sent = await insert(app);
    app.hastyHash = app.lastHash;
    return sent;
  },
  'execute again at once (committed nonce is read: refused)': execute(
    'add_user',
    base => [{ $id: base + 11, $name: 'async2', $age: 1 }],
    { sync: false, by: 'hasty' },
  ),
  'execute again at once with unconfirmedNonce': execute(
    'add_user',
    base => [{ $id: base + 12, $name: 'async3', $age: 1 }],
    { sync: false, by: 'counting' },
  ),
  'execute missing action': execute('nope', () => [{ $id: 1 }]),
  'execute missing action, positional': execute('nope', bump),
  'execute missing namespace, positional': execute('nope', bump, { more: { namespace: 'nope' } }),
  'execute of a view action': execute('get_users', () => []),
  'execute no inputs': execute('noargs', () => []),
  'execute sync': execute('bump', bump),
  'execute async': execute('bump', bump, { sync: false }),
  'execute bad nonce (too high)': execute('bump', bump, { more: { nonce: 9999 } }),
  'execute bad nonce (used)': execute('bump', bump, { more: { nonce: 1 } }),
  'bad nonce': execute('bump', bump, { more: { nonce: 9999 } }),

  'execSql insert sync': execSql('{lab}INSERT INTO users (id, name, age) VALUES ($id, $name, $age)', base => ({
    $id: base + 50,
    $name: 'by sql',
    $age: 9,
  })),
  'execSql update async': execSql(
    '{lab}UPDATE users SET age = $age WHERE id = $id',
    base => ({ $id: base + 50, $age: 10 }),
    { sync: false },
  ),
  'execSql syntax error sync': execSql('SELEC'),
  'execSql no rights': execSql('{info}DELETE FROM actions'),

  'txInfo committed': async app => {
    const info = app.hastyHash === null ? app.main.txInfo(app.lastHash) : app.hasty().txInfo(app.hastyHash);
    return info;
  },
  'txInfo of the failed one': txInfo(app => app.lastHash),
  'txInfo at once (mempool)': app => app.hasty().txInfo(app.lastHash),
  'txInfo unknown': app => app.hasty().txInfo('ab'.repeat(48)),

  'wrong chain id: chainInfo': ({ stranger }) => stranger().chainInfo(),
  'wrong chain id: execute': execute('bump', bump, { by: 'stranger' }),
  'wrong chain id: execSql': execSql('UPDATE lab.users SET age = 1 WHERE id = 1', undefined, { by: 'stranger' }),
  'old chain id: chainInfo': ({ stranger }) => stranger().chainInfo(),
  'old chain id: execute': execute('bump', bump, { by: 'stranger' }),
  transfer: ({ main }) => main.funder.transfer({ to: '22'.repeat(20), amount: 10n }, signer),
};

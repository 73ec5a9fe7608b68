import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, originText, parsePath, type LoadOptions } from '../../../src/config/index.js';

const MINIMAL = `networks:
  old:
    chainId: kwil-old
    nodes:
      - { name: old-1, url: http://127.0.0.1:8484 }
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (text: string, name = 'switchyard.yaml'): void => writeFileSync(join(folder, name), text);
const load = (options: LoadOptions = {}) => loadConfig({ env: { HOME: folder }, cwd: folder, ...options });

function problemsOf(act: () => unknown): ConfigError['problems'] {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
const textOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the configuration was accepted');
};

describe('precedence', () => {
  test('a value that nobody gives has its default', () => {
    write(MINIMAL);
    const { config, originOf } = load();
    expect(config.writes.holdMs).toBe(8000);
    expect(config.listen).toBe('127.0.0.1:8480');
    expect(originText(originOf(['writes', 'holdMs']))).toBe('default');
  });

  test('the file beats the default, the environment the file, a flag the environment', () => {
    write(`${MINIMAL}writes: { holdMs: 1000, holdMax: 10, holdBytesMax: 100 }\n`);
    const env = { HOME: folder, SWITCHYARD_WRITES__HOLD_MAX: '20', SWITCHYARD_WRITES__HOLD_BYTES_MAX: '200' };
    const flags = [{ name: '--set', path: 'writes.holdBytesMax', text: '300' }];
    const { config, originOf } = load({ env, flags });
    expect(config.writes).toMatchObject({ holdMs: 1000, holdMax: 20, holdBytesMax: 300 });
    expect(originText(originOf(['writes', 'holdMs']))).toBe('switchyard.yaml:6:19');
    expect(originText(originOf(['writes', 'holdMax']))).toBe('environment SWITCHYARD_WRITES__HOLD_MAX');
    expect(originText(originOf(['writes', 'holdBytesMax']))).toBe('flag --set');
  });

  test('the environment can give everything, lists and maps too', () => {
    const env = {
      HOME: folder,
      SWITCHYARD_NETWORKS__OLD__CHAIN_ID: '1234',
      SWITCHYARD_NETWORKS__OLD__NODES: '[{ name: a, url: "http://127.0.0.1:1" }]',
      SWITCHYARD_NETWORKS__OLD__NODES__1__NAME: 'b',
      SWITCHYARD_NETWORKS__OLD__NODES__1__URL: 'http://127.0.0.1:2',
      SWITCHYARD_RELAY__VALIDATORS: 'v1, v2',
      SWITCHYARD_RELAY__OWN_END: '12',
      SWITCHYARD_RELAY__REPAIRS__PAD_DELETES: 'off',
      SWITCHYARD_LISTEN: '127.0.0.1:0',
    };
    const { config, file } = load({ env });
    expect(file).toBeNull();
    expect(config.networks.old).toEqual({
      chainId: '1234',
      nodes: [
        { name: 'a', url: 'http://127.0.0.1:1' },
        { name: 'b', url: 'http://127.0.0.1:2' },
      ],
    });
    expect(config.relay).toMatchObject({ validators: ['v1', 'v2'], ownEnd: 12, repairs: { 'pad-deletes': 'off' } });
    expect(config.listen).toBe('127.0.0.1:0');
  });

  test('the places are: -c, $SWITCHYARD_CONFIG, ./switchyard.yaml, the XDG folder', () => {
    const withLevel = (level: string): string => `${MINIMAL}log: { level: ${level} }\n`;
    const levelOf = (options: LoadOptions): string => load(options).config.log.level;
    mkdirSync(join(folder, 'xdg', 'switchyard'), { recursive: true });
    write(withLevel('trace'), 'xdg/switchyard/switchyard.yaml');
    const env = { HOME: folder, XDG_CONFIG_HOME: join(folder, 'xdg') };
    expect(levelOf({ env })).toBe('trace');
    write(withLevel('debug'));
    expect(levelOf({ env })).toBe('debug');
    write(withLevel('warn'), 'other.yaml');
    expect(levelOf({ env: { ...env, SWITCHYARD_CONFIG: 'other.yaml' } })).toBe('warn');
    write(withLevel('error'), 'flag.yaml');
    expect(levelOf({ env: { ...env, SWITCHYARD_CONFIG: 'other.yaml' }, file: 'flag.yaml' })).toBe('error');
  });

  test('a section whose lines are all commented out means nothing was said', () => {
    write(`${MINIMAL}relay:\n  # merge: off\nwrites:\n  holdMs:\n`);
    expect(load().config.relay.merge).toBe('auto');
    expect(load().config.writes.holdMs).toBe(8000);
  });
});

describe('problems', () => {
  test('all are told at once, each with file, line, column, value seen and values allowed', () => {
    write(`listn: 127.0.0.1:1
networks:
  old:
    chainId: 5
    nodes:
      - name: Old_1
        url: localhost:8484
reads: { policy: atuo, share: 200 }
`);
    const problems = problemsOf(load);
    const seen = problems.map(({ origin, path, seen: value }) => [originText(origin), path.join('.'), value]);
    expect(seen).toEqual([
      ['switchyard.yaml:1:1', 'listn', null],
      ['switchyard.yaml:4:14', 'networks.old.chainId', '5 (a number: put it in quotes)'],
      ['switchyard.yaml:6:15', 'networks.old.nodes.0.name', '"Old_1"'],
      ['switchyard.yaml:7:14', 'networks.old.nodes.0.url', '"localhost:8484"'],
      ['switchyard.yaml:8:18', 'reads.policy', '"atuo"'],
      ['switchyard.yaml:8:31', 'reads.share', '200'],
    ]);
    expect(problems[0]?.suggestion).toBe('listen');
    expect(problems[4]).toMatchObject({ allowed: 'old | auto | share', suggestion: 'auto' });
    expect(problems[5]?.allowed).toBe('a number of 0 to 100');
    expect(textOf(load)).toContain(
      'switchyard.yaml:8:18: reads.policy: is not an allowed value\n    seen     "atuo"\n    allowed  old | auto | share\n    did you mean auto?',
    );
  });

  test('an unknown key in the wrong section is sent to the right one', () => {
    write(`${MINIMAL}tokenFile: x\n`);
    expect(problemsOf(load)[0]?.suggestion).toBe('admin.tokenFile');
  });

  test('broken rules are told together with wrong values, not after them', () => {
    write(`networks:
  old: { chainId: same, nodes: [{ name: a, url: "http://127.0.0.1:1" }, { name: a, url: "http://127.0.0.1:2" }] }
  new: { chainId: same, nodes: [{ name: n, url: "http://127.0.0.1:1/" }, { name: M, url: "http://127.0.0.1:3" }] }
writes: { holdMs: -1 }
`);
    expect(problemsOf(load).map(({ path }) => path.join('.'))).toEqual([
      'networks.old.nodes.1.name',
      'networks.new.chainId',
      'networks.new.nodes.0.url',
      'networks.new.nodes.1.name',
      'writes.holdMs',
    ]);
  });

  test.each([
    ['a relay that is open to everybody', 'relay: { listen: "0.0.0.0:8481" }', 'relay.listen'],
    ['two listeners on one address', 'admin: { listen: "127.0.0.1:8480" }', 'admin.listen'],
    ['a wildcard listener over another one', 'listen: "0.0.0.0:8482"', 'admin.listen'],
    ['a port beyond 65535', 'listen: 127.0.0.1:70000', 'listen'],
    ['a validator listed twice', 'relay: { validators: [v1, v1] }', 'relay.validators.1'],
    ['a gateway that is its own node', 'listen: "localhost:8484"', 'networks.old.nodes.0.url'],
  ])('%s is refused', (_, line, path) => {
    write(`${MINIMAL}${line}\n`);
    expect(problemsOf(load).map(problem => problem.path.join('.'))).toEqual([path]);
  });

  test('port 0 collides with nothing, and validators open the relay to other machines', () => {
    write(
      `${MINIMAL}listen: 127.0.0.1:0\nadmin: { listen: "127.0.0.1:0" }\nrelay: { listen: "0.0.0.0:0", validators: [v1] }\n`,
    );
    expect(load().config.relay.validators).toEqual(['v1']);
  });

  test('credentials in a URL are not printed', () => {
    write(`networks: { old: { chainId: a, nodes: [{ name: n, url: "http://ann:geheim@127.0.0.1:1?x=1" }] } }\n`);
    const text = textOf(load);
    expect(text).toContain('***@127.0.0.1:1');
    expect(text).not.toContain('geheim');
  });

  test('YAML that cannot be read is told with its place', () => {
    write(`networks:\n  old:\n\tchainId: x\n`);
    expect(textOf(load)).toMatch(/^switchyard\.yaml:3:1: tabs cannot indent/);
    write(`${MINIMAL}listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n`);
    expect(textOf(load)).toBe('switchyard.yaml:7:1: this key stands twice in the same section');
    write('- a\n- b\n');
    expect(textOf(load)).toContain('must be a map of sections');
  });

  test('a file that is named and absent is an error, also when the environment names it', () => {
    expect(textOf(() => load({ file: 'no.yaml' }))).toContain('flag --config: there is no file no.yaml');
    expect(textOf(() => load({ env: { SWITCHYARD_CONFIG: 'no.yaml' } }))).toContain(
      'environment SWITCHYARD_CONFIG: there is no file',
    );
  });

  test('without any file the missing network is explained', () => {
    expect(textOf(load)).toContain('no configuration file was found');
  });

  test('a misspelt environment name is an error with a suggestion', () => {
    write(MINIMAL);
    const [problem] = problemsOf(() => load({ env: { SWITCHYARD_WRITES__HOLDMSS: '1' } }));
    expect(problem?.suggestion).toBe('SWITCHYARD_WRITES__HOLD_MS');
    const [other] = problemsOf(() => load({ env: { SWITCHYARD_WRITE__HOLD_MS: '1' } }));
    expect(other?.suggestion).toBe('SWITCHYARD_WRITES__HOLD_MS');
  });

  test('names that Kubernetes puts into every container are left alone', () => {
    write(MINIMAL);
    const env = {
      SWITCHYARD_PORT: 'tcp://10.0.0.1:8480',
      SWITCHYARD_SERVICE_HOST: '10.0.0.1',
      SWITCHYARD_PORT_8480_TCP_PROTO: 'tcp',
    };
    expect(load({ env }).config.listen).toBe('127.0.0.1:8480');
  });

  test('a wrong value of a flag or of the environment names its source', () => {
    write(MINIMAL);
    const env = { SWITCHYARD_WRITES__HOLD_MS: 'soon' };
    expect(textOf(() => load({ env }))).toContain(
      'environment SWITCHYARD_WRITES__HOLD_MS: writes.holdMs: is not an allowed value\n    seen     "soon"',
    );
    const flags = [{ name: '--set', path: 'writes.holdMs', text: '99999' }];
    expect(textOf(() => load({ flags }))).toContain('flag --set: writes.holdMs: is too large');
  });
});

test('paths are read in both forms', () => {
  expect(parsePath('networks.old.nodes[0].url')).toEqual(['networks', 'old', 'nodes', 0, 'url']);
  expect(parsePath('networks.old.nodes.0.url')).toEqual(['networks', 'old', 'nodes', 0, 'url']);
});

test('what works and is probably not meant is a doubt, not a problem', () => {
  write(`${MINIMAL}reads: { policy: auto, share: 10 }\n`);
  expect(load().doubts.map(({ path }) => path.join('.'))).toEqual(['reads.share', 'networks.old.nodes']);
});

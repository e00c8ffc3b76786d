import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { COMMANDS } from '../../../src/cli/index.ts';
import { loadConfig } from '../../../src/config/load.ts';

const text = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const isThere = (file: string) => existsSync(new URL(`../../../${file}`, import.meta.url));
const commands = COMMANDS.map(({ name }) => name);

/** `file` stands in for every file that an environment names. */
const configOf = (env: Record<string, string>) =>
  loadConfig({
    env,
    text: text('config/fieldwatch.yaml'),
    file: 'fieldwatch.yaml',
    readFile: () => 'alerts: {}\n',
  }).config;

interface Service {
  readonly image?: string;
  readonly environment?: Record<string, string>;
  readonly depends_on?: Record<string, { condition: string }>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly secrets?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
  readonly mem_limit?: string;
  readonly logging?: { readonly options: Record<string, string> };
  readonly read_only?: boolean;
  readonly profiles?: readonly string[];
}
interface Compose {
  readonly services: Record<'timescaledb' | 'mosquitto' | 'fieldwatch', Service>;
  readonly secrets: Record<string, { file: string }>;
  readonly volumes: Record<string, null>;
}

describe('docker-compose.yml', () => {
  const { services, secrets, volumes } = parse(text('docker-compose.yml')) as Compose;
  const { timescaledb, mosquitto, fieldwatch } = services;

  test('pins what it takes from elsewhere', () => {
    for (const { image } of Object.values(services))
      expect(image ?? ':0.0.0').toMatch(/:v?\d+\.\d+\.\d+(-pg17)?$/);
    expect(timescaledb.image).toMatch(/^timescale\/timescaledb:\d+\.\d+\.\d+-pg17$/);
    expect(mosquitto.image).toMatch(/^eclipse-mosquitto:2\.\d+\.\d+$/);
  });

  test("fieldwatch's environment is a configuration, and names the other services", () => {
    const { FIELDWATCH_CONFIG, ...env } = fieldwatch.environment ?? {};
    const config = configOf(env);
    expect(new URL(config.mqtt.url ?? '').hostname).toBe('mosquitto');
    const url = new URL(config.database.url ?? '');
    expect([url.hostname, url.username, url.pathname]).toEqual([
      'timescaledb',
      'fieldwatch_owner',
      `/${timescaledb.environment?.POSTGRES_DB}`,
    ]);
    expect(config.mqtt.client_id).not.toContain('{');
    expect(FIELDWATCH_CONFIG).toBe('/etc/fieldwatch/fieldwatch.yaml');
    expect(fieldwatch.volumes).toContain('./config:/etc/fieldwatch:ro');
  });

  test('the daemon is no superuser: the first start of the database makes its role and sets its password', () => {
    expect(timescaledb.environment?.POSTGRES_USER).toBe('postgres');
    expect(timescaledb.volumes).toContain(
      './sql/roles/roles.sql:/docker-entrypoint-initdb.d/100_roles.sql:ro',
    );
    expect(timescaledb.volumes).toContain(
      './sql/roles/password.sh:/docker-entrypoint-initdb.d/110_password.sh:ro',
    );
    expect(timescaledb.secrets).toContain('owner_password');
    expect(timescaledb.environment?.OWNER_PASSWORD_FILE).toBe('/run/secrets/owner_password');
    expect(text('sql/roles/roles.sql')).toContain("'fieldwatch_owner'");
  });

  test('each secret is read by one user, and the page says by which', () => {
    const users: Record<string, string> = {
      timescaledb: '70',
      'dashboard-role': '70',
      fieldwatch: '1000',
      grafana: '472',
    };
    const readers = new Map<string, Set<string | undefined>>();
    for (const [name, service] of Object.entries(services))
      for (const secret of service.secrets ?? [])
        readers.set(secret, (readers.get(secret) ?? new Set()).add(users[name]));
    expect([...readers.keys()].toSorted()).toEqual(Object.keys(secrets).toSorted());
    for (const [secret, owners] of readers) {
      expect([secret, owners.size]).toEqual([secret, 1]);
      expect(text('docs/operations.md')).toMatch(new RegExp(`chown ${[...owners][0]}:.*secrets/${secret}`));
    }
  });

  test('dashboards are a profile: without it only the three containers start', () => {
    const always = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    expect(always.map(([name]) => name)).toEqual(['timescaledb', 'mosquitto', 'fieldwatch']);
  });

  test('memory and logs of every container are bounded', () => {
    for (const service of Object.values(services)) {
      expect(service.mem_limit).toMatch(/^\d+[mg]$/);
      expect(service.logging?.options).toMatchObject({
        'max-size': expect.any(String),
        'max-file': expect.any(String),
      });
    }
  });

  test('waits for healthy servers', () => {
    for (const [name, { condition }] of Object.entries(fieldwatch.depends_on ?? {})) {
      expect(condition).toBe('service_healthy');
      expect(services[name as keyof typeof services].healthcheck?.test.length).toBeGreaterThan(1);
    }
    expect(Object.keys(fieldwatch.depends_on ?? {})).toEqual(['timescaledb', 'mosquitto']);
  });

  test('no secret is written down; each is declared and kept out of version control', () => {
    for (const service of Object.values(services)) {
      for (const [name, value] of Object.entries(service.environment ?? {})) {
        if (/PASSWORD/.test(name))
          expect([name, value]).toEqual([
            expect.stringMatching(/_FILE$/),
            expect.stringMatching(/^\/run\/secrets\//),
          ]);
        expect(value).not.toMatch(/:\/\/[^/@]*:[^/@]*@/);
      }
      for (const secret of service.secrets ?? []) expect(secrets[secret]?.file).toMatch(/^\.\/secrets\//);
    }
    expect(text('.gitignore').split('\n')).toContain('secrets/');
  });

  test('publishes on loopback only; its files and volumes exist', () => {
    for (const { ports, volumes: mounts } of Object.values(services)) {
      for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
      for (const [source = ''] of (mounts ?? []).map((mount) => mount.split(':'))) {
        if (source.startsWith('./')) expect([source, isThere(source)]).toEqual([source, true]);
        else expect(Object.keys(volumes)).toContain(source);
      }
    }
    expect(fieldwatch.ports).toEqual([`127.0.0.1:${configOf({}).http.port}:${configOf({}).http.port}`]);
  });

  test('leaves more time to stop than the daemon takes', () => {
    expect(fieldwatch.stop_grace_period).toBe('30s');
    expect(configOf({}).shutdown_deadline).toBeLessThan(30_000);
    expect(fieldwatch.read_only).toBe(true);
  });

  test("the broker's configuration listens where fieldwatch connects", () => {
    expect(text('config/mosquitto.conf')).toMatch(/^listener 1883$/m);
    expect(text('config/mosquitto.conf')).toMatch(/^persistence true$/m);
  });
});

describe('Dockerfile', () => {
  const lines = text('Dockerfile')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const values = (instruction: string) =>
    lines
      .filter((line) => line.startsWith(`${instruction} `))
      .map((line) => line.slice(instruction.length + 1));
  const env = Object.fromEntries(
    values('ENV').flatMap((line) =>
      line
        .trim()
        .split(/\s+/)
        .map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]),
    ),
  );

  test('sets what the unit sets to keep the memory small', () => {
    const unit = text('systemd/fieldwatch.service');
    for (const name of ['MALLOC_ARENA_MAX', 'NODE_OPTIONS'])
      expect(unit).toContain(`\nEnvironment=${name}=${env[name]}\n`);
  });

  test('ends as a user without rights, without development or optional dependencies, without scripts', () => {
    expect(values('USER')).toEqual(['node']);
    const installs = lines.flatMap((line) => line.match(/npm ci[^&]*/g) ?? []);
    expect(installs).toHaveLength(2);
    for (const install of installs) expect(install).toContain('--ignore-scripts');
    // The build needs the binary of esbuild, which is an optional dependency of it.
    expect(installs[0]).not.toContain('--omit');
    expect(installs[1]).toContain('--omit=dev --omit=optional');
  });

  test('runs on a Node that package.json allows', () => {
    const { engines } = JSON.parse(text('package.json')) as { engines: { node: string } };
    expect(engines.node).toBe('>=20.19');
    for (const from of values('FROM'))
      expect(Number(/^node:(\d+)-/.exec(from)?.[1])).toBeGreaterThanOrEqual(20);
  });

  test('its environment is configuration; state lies in the volume; the port is that of the schema', () => {
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('FIELDWATCH_')));
    const config = configOf(own);
    expect([config.http.host, config.http.api]).toEqual(['0.0.0.0', false]);
    expect(config.state_dir.startsWith(`${values('VOLUME')[0]}/`)).toBe(true);
    expect(values('EXPOSE')).toEqual([String(configOf({}).http.port)]);
    expect(values('HEALTHCHECK').join()).toContain(`|| ${configOf({}).http.port}}/livez`);
  });

  test('starts a command that exists, with arguments that it has', () => {
    expect(JSON.parse(values('ENTRYPOINT')[0] ?? '')).toEqual(['node', '/app/dist/main.js']);
    expect(commands).toContain((JSON.parse(values('CMD')[0] ?? '') as string[])[0]);
    expect(values('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  test('copies what exists, and .dockerignore lets it through', () => {
    const allowed = text('.dockerignore').split('\n');
    const copied = values('COPY')
      .filter((line) => !line.startsWith('--from'))
      .flatMap((line) => line.split(' ').slice(0, -1));
    expect(copied.length).toBeGreaterThan(5);
    for (const file of copied) {
      expect([file, isThere(file)]).toEqual([file, true]);
      expect(allowed).toContain(`!${file}`);
    }
    expect(allowed).toContain('*');
  });
});

describe('fieldwatch.service', () => {
  const unit = text('systemd/fieldwatch.service');
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];
  const seconds = (key: string) => Number(/^(\d+)s$/.exec(value(key) ?? '')?.[1]);

  test('gets the state of the daemon, and accepts it from its children', () => {
    expect([value('Type'), value('NotifyAccess')]).toEqual(['notify', 'all']);
    expect(seconds('WatchdogSec')).toBeGreaterThanOrEqual(10);
    expect(seconds('TimeoutStopSec') * 1000).toBeGreaterThan(configOf({}).shutdown_deadline);
    expect(value('ExecReload')).toBe('/bin/kill -HUP $MAINPID');
  });

  test('runs a command that exists, and does not restart on a faulty configuration', () => {
    const [node, main, command, ...rest] = (value('ExecStart') ?? '').split(' ');
    expect([node, main]).toEqual(['/usr/bin/node', '/opt/fieldwatch/dist/main.js']);
    expect(commands).toContain(command);
    expect(rest).toEqual(['--config', '/etc/fieldwatch/fieldwatch.yaml']);
    expect(value('RestartPreventExitStatus')).toBe('2');
  });

  test('takes passwords as credentials, and bounds its memory', () => {
    const lines = unit.split('\n');
    for (const name of ['database', 'mqtt']) {
      expect(lines).toContain(`LoadCredential=${name}-password:/etc/fieldwatch/${name}-password`);
      const variable = `FIELDWATCH_${name.toUpperCase()}_PASSWORD_FILE`;
      expect(lines).toContain(`Environment=${variable}=/run/credentials/fieldwatch.service/${name}-password`);
      expect(configOf({ [variable]: '/run/x' })[name as 'mqtt'].password_file).toBe('/run/x');
    }
    expect([value('MemoryHigh'), value('MemoryMax')]).toEqual(['768M', '1G']);
    expect([value('StateDirectoryMode'), value('UMask')]).toEqual(['0700', '0077']);
  });

  test('writes where systemd lets it, as the user that sysusers makes', () => {
    expect(value('WorkingDirectory')).toBe(`/var/lib/${value('StateDirectory')}`);
    expect(value('ProtectSystem')).toBe('strict');
    expect(text('systemd/fieldwatch.sysusers.conf')).toMatch(new RegExp(`^u ${value('User')} `, 'm'));
  });
});

test('LICENSE is the Apache License in full, NOTICE names the Timescale License', () => {
  const license = text('LICENSE');
  expect(license).toMatch(/Apache License\s+Version 2\.0, January 2004/);
  expect(license).toMatch(/APPENDIX: How to apply the Apache License/);
  expect(license.length).toBeGreaterThan(10_000);
  expect(text('NOTICE')).toMatch(/Timescale License/);
});

/** One server of `database.url`; without a host the driver's default, a path is the folder of a unix socket. */
export interface DatabaseHost {
  readonly host: string | undefined;
  readonly port: number | undefined;
}

export type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

/** The parts of a libpq connection URI that are used here. */
export interface DatabaseUrl {
  /** In the order in which they are tried. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  /** Which of several servers is wanted: each that answers, one that is no standby, or one that takes writes. */
  readonly target: 'any' | 'primary' | 'read-write';
  readonly sslMode: SslMode | undefined;
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  /** Bind the SCRAM login to the TLS connection where the server can. */
  readonly channelBinding: boolean;
  /** Startup options such as `-c search_path=x`. */
  readonly options: string | undefined;
  readonly applicationName: string | undefined;
}

const SSL_MODES: readonly string[] = ['disable', 'require', 'verify-ca', 'verify-full'];
const TARGETS: readonly string[] = ['any', 'primary', 'read-write'];
const BINDINGS: readonly string[] = ['disable', 'prefer'];
const USED: readonly string[] = [
  ...['host', 'port', 'user', 'password', 'dbname', 'target_session_attrs', 'options', 'application_name'],
  ...['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'channel_binding', 'client_encoding'],
];

/** Parameters of libpq and of other drivers that are not used here, with what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  connect_timeout: 'set database.connect_timeout',
  fallback_application_name: 'set database.application_name',
  keepalives: 'they are always on',
  keepalives_idle: 'keepalives are always on',
  keepalives_interval: 'keepalives are always on',
  keepalives_count: 'keepalives are always on',
  tcp_user_timeout: 'the server closes a dead connection after 30 s',
  hostaddr: 'name the address as the host',
  passfile: 'set database.password_file',
  sslpassword: 'use a key without a passphrase that only the daemon may read',
  schema: 'set database.schema',
  pgbouncer: 'a pooler is recognized, and has to pool whole sessions',
  ssl: 'use sslmode',
  requiressl: 'use sslmode',
  ...Object.fromEntries(
    [
      ...[
        'service',
        'load_balance_hosts',
        'sslnegotiation',
        'sslcompression',
        'sslcrl',
        'sslcrldir',
        'sslsni',
      ],
      ...[
        'sslcertmode',
        'ssl_min_protocol_version',
        'ssl_max_protocol_version',
        'require_auth',
        'requirepeer',
      ],
      ...['gssencmode', 'krbsrvname', 'gsslib', 'gssdelegation', 'replication', 'min_protocol_version'],
      ...['max_protocol_version', 'sslkeylogfile', 'scram_client_key', 'scram_server_key', 'uselibpqcompat'],
    ].map((name) => [name, 'leave it out']),
  ),
};

class Fault extends Error {}

const SHAPE = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;
const SCHEMES = 'postgres://, postgresql://';
const EXPECTED = `is no URL; expected one that starts with ${SCHEMES}`;

/**
 * The parts of a URL, or its fault. A fault never quotes the URL beyond the names that libpq has: any piece of it may
 * be a piece of a password with a character that is not escaped.
 */
export function readDatabaseUrl(text: string): DatabaseUrl | { readonly fault: string } {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

function read(text: string): DatabaseUrl {
  const [, login, authority = '', path = '', query = ''] = SHAPE.exec(text) ?? failShape(text);
  const colon = login?.indexOf(':') ?? -1;
  const parameters = parametersOf(query);
  const of = (name: string) => parameters.get(name);
  const hosts = hostsOf(authority, of('host'), of('port'));
  const utf8 = of('client_encoding')?.toLowerCase() ?? 'utf8';
  if (!['utf8', 'utf-8', 'unicode'].includes(utf8)) fail('its client_encoding can only be UTF8');
  return {
    hosts,
    user: of('user') ?? given(decoded('user', colon === -1 ? login : login?.slice(0, colon))),
    password:
      of('password') ?? given(decoded('password', colon === -1 ? undefined : login?.slice(colon + 1))),
    database: of('dbname') ?? given(decoded('database', path)),
    target: targetOf(of('target_session_attrs'), hosts.length),
    sslMode: oneOf('sslmode', of('sslmode'), SSL_MODES) as SslMode | undefined,
    sslRootCert: of('sslrootcert'),
    sslCert: of('sslcert'),
    sslKey: of('sslkey'),
    channelBinding: oneOf('channel_binding', of('channel_binding'), BINDINGS) === 'prefer',
    // A query that was put together by other means than libpq has "+" for the blank.
    options: of('options')?.replaceAll('+', ' '),
    applicationName: of('application_name'),
  };
}

function parametersOf(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const pair of query === '' ? [] : query.split('&')) {
    const equals = pair.indexOf('=');
    const name = equals === -1 ? pair : pair.slice(0, equals);
    const instead = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
    if (instead !== undefined) fail(`its parameter ${name} is not supported: ${instead}`);
    if (!USED.includes(name))
      fail('has a parameter after "?" that libpq does not know; percent-encode special characters');
    if (equals === -1) fail(`its parameter ${name} has no value`);
    if (found.has(name)) fail(`its parameter ${name} is there twice`);
    const value = decoded(name, pair.slice(equals + 1)) ?? '';
    if (value !== '') found.set(name, value);
  }
  return found;
}

/** Hosts and ports, from before the path or from the query: as many ports as hosts, or one for all. */
function hostsOf(authority: string, host: string | undefined, port: string | undefined): DatabaseHost[] {
  const inAuthority = authority.split(',').map(hostAndPort);
  const names = host === undefined ? inAuthority.map((one) => one.host) : host.split(',').map(given);
  const ports = port === undefined ? inAuthority.map((one) => one.port) : port.split(',').map(portOf);
  if (ports.length !== 1 && ports.length !== names.length) fail('it needs one port, or as many as hosts');
  return names.map((name, index) => ({ host: name, port: ports[ports.length === 1 ? 0 : index] }));
}

function hostAndPort(text: string): DatabaseHost {
  const [, inBrackets, plain, port = ''] =
    /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? fail(EXPECTED);
  return { host: given(decoded('host', inBrackets ?? plain)), port: portOf(port) };
}

function portOf(text: string): number | undefined {
  if (text === '') return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    fail('its port is no number from 1 to 65535; percent-encode special characters in user and password');
  return port;
}

/** The daemon writes: a standby is never wanted, and of several servers the one that takes writes. */
function targetOf(value: string | undefined, hosts: number): DatabaseUrl['target'] {
  const target = oneOf('target_session_attrs', value, TARGETS) as DatabaseUrl['target'] | undefined;
  return target ?? (hosts > 1 ? 'read-write' : 'any');
}

function oneOf(name: string, value: string | undefined, expected: readonly string[]): string | undefined {
  if (value !== undefined && !expected.includes(value))
    fail(`its ${name} is not supported; expected one of ${expected.join(', ')}`);
  return value;
}

function decoded(what: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return fail(`its ${what} has a "%" that is not followed by two hexadecimal digits; write it as %25`);
  }
}

function failShape(text: string): never {
  const scheme = /^([a-z][a-z0-9+.-]{0,15}):\/\//.exec(text)?.[1];
  if (scheme === undefined || scheme.startsWith('postgres')) return fail(EXPECTED);
  return fail(`scheme "${scheme}" is not supported; expected one of ${SCHEMES}`);
}

const given = (text: string | undefined) => (text === '' ? undefined : text);

function fail(text: string): never {
  throw new Fault(text);
}

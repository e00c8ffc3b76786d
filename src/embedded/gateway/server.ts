import { randomInt } from 'node:crypto';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import {
  PgError,
  type PgErrorFields,
  authenticationOk,
  backendKeyData,
  errorResponse,
  parameterStatus,
  readyForQuery,
} from './backend.ts';
import { EngineSession } from './engine-session.ts';
import type { EngineState } from './engine-state.ts';
import { FrontendQueue } from './frontend-queue.ts';
import {
  CANCEL_REQUEST,
  FrameError,
  FrontendFramer,
  GSSENC_REQUEST,
  SSL_REQUEST,
  startupOptions,
  startupParameters,
} from './frontend.ts';
import { GatewaySession } from './gateway-session.ts';
import { Login } from './login.ts';
import { type ScramVerifier, scramVerifier } from './scram.ts';
import { BASELINE, REPORTED, loadScript, textRows } from './settings.ts';

const PROTOCOL_MAJOR = 3;
/** Startup parameters that are not settings. */
/** PostgreSQL's authentication_timeout. */
const LOGIN_TIMEOUT_MS = 60_000;
const NOT_SETTINGS = new Set(['user', 'database', 'options', 'replication']);

export interface GatewayOptions {
  readonly engineState: EngineState;
  readonly host: string;
  readonly port: number;
  /** Database names that clients may ask for; all mean the one that is there. */
  readonly databases: readonly string[];
  /** All users are the one superuser, whatever their name, and all need it. */
  readonly password: string;
  /** Where the password is found: the hint of a refused login. */
  readonly passwordHint: string;
  /** A fault of the gateway itself; the process should end. */
  readonly onFault: (error: unknown) => void;
}

const LOGIN_TIMEOUT = { code: '57014', message: 'canceling authentication due to timeout' };

interface Connection {
  readonly engineSession: EngineSession;
  readonly secret: number;
  readonly socket: Socket;
}

/** The PostgreSQL wire protocol on a loopback port, in front of the one engine session. */
export class Gateway {
  private readonly options: GatewayOptions;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly connections = new Map<number, Connection>();
  private readonly serverStatus: [string, string][];
  private readonly verifier: ScramVerifier;
  private lastId = 0;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.verifier = scramVerifier(options.password);
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
    const { engineState } = options;
    engineState.runOwn(loadScript(new Map()));
    this.serverStatus = ['server_version', 'server_encoding', 'integer_datetimes', 'standard_conforming_strings', 'in_hot_standby', 'is_superuser']
      .map((name) => [name, textRows(engineState.runOwn(`SHOW ${name}`))[0]?.[0] ?? '']); // prettier-ignore
    for (const name of REPORTED)
      this.serverStatus.push([name, textRows(engineState.runOwn(`SHOW ${name}`))[0]?.[0] ?? '']);
  }

  /** @returns the port that was bound. Rejects with the socket's own error (EADDRINUSE). */
  async listen(): Promise<number> {
    const { host, port } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => resolve());
    });
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends all clients; what they had open is rolled back by the engine's shutdown. */
  close(): void {
    this.server.close();
    const fields: PgErrorFields = {
      severity: 'FATAL',
      code: '57P01',
      message: 'terminating connection due to administrator command',
    };
    for (const socket of this.sockets) socket.end(errorResponse(fields), () => socket.destroySoon());
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    const frontendQueue = new FrontendQueue(socket);
    let engineSession: EngineSession | null = null;
    let login: Login;
    let parameters: ReadonlyMap<string, string>;
    const loginTimer = setTimeout(() => this.refuse(socket, LOGIN_TIMEOUT), LOGIN_TIMEOUT_MS);
    const framer = new FrontendFramer(
      {
        startup: (code, body) => {
          const asked = this.startup(socket, code, body);
          if (asked === null) return;
          framer.startupDone();
          parameters = asked;
          login = new Login(this.verifier, asked.get('user')!, this.options.passwordHint);
          socket.write(login.request());
        },
        message: (type, raw) => {
          if (engineSession !== null) return frontendQueue.push(type, raw);
          const { message, done } = login.answer(type, raw);
          socket.write(message);
          if (!done) return;
          framer.loginDone();
          clearTimeout(loginTimer);
          engineSession = this.open(socket, frontendQueue, parameters);
        },
      },
      this.options.engineState.limits.maxMessageBytes,
    );
    socket.on('data', (chunk: Buffer) => {
      try {
        framer.push(chunk);
      } catch (error) {
        if (error instanceof FrameError) this.refuse(socket, { code: '08P01', message: error.message });
        else if (error instanceof PgError) this.refuse(socket, error.fields);
        else this.options.onFault(error);
      }
    });
    // A reset connection is a client that left; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(loginTimer);
      this.sockets.delete(socket);
      engineSession?.disconnect();
      frontendQueue.close();
    });
    socket.on('end', () => socket.end());
  }

  /** @returns the parameters of a client that may log in; null while a StartupMessage may still follow. */
  private startup(socket: Socket, code: number, body: Buffer): ReadonlyMap<string, string> | null {
    if (code === SSL_REQUEST || code === GSSENC_REQUEST) {
      socket.write('N');
      return null;
    }
    if (code === CANCEL_REQUEST) {
      const connection = this.connections.get(body.readInt32BE(0));
      if (connection?.secret === body.readInt32BE(4)) connection.engineSession.cancel();
      socket.end();
      return null;
    }
    if (code >>> 16 !== PROTOCOL_MAJOR) {
      throw new PgError({
        code: '0A000',
        message: `unsupported frontend protocol ${code >>> 16}.${code & 0xffff}: server supports 3.0`,
      });
    }
    const parameters = startupParameters(body);
    this.admit(parameters);
    return parameters;
  }

  private admit(parameters: ReadonlyMap<string, string>): void {
    const user = parameters.get('user');
    if (user === undefined)
      throw new PgError({ code: '28000', message: 'no PostgreSQL user name specified in startup packet' });
    const database = parameters.get('database') ?? user;
    if (!this.options.databases.includes(database)) {
      const hint = `The embedded server has one database: ${this.options.databases[0]}.`;
      throw new PgError({ code: '3D000', message: `database "${database}" does not exist`, hint });
    }
    if (this.connections.size >= this.options.engineState.limits.maxConnections) {
      throw new PgError({ code: '53300', message: 'sorry, too many clients already' });
    }
  }

  private open(
    socket: Socket,
    frontendQueue: FrontendQueue,
    parameters: ReadonlyMap<string, string>,
  ): EngineSession {
    const id = ++this.lastId;
    const secret = randomInt(0x7fffffff);
    const settings = startupSettings(parameters);
    const engineSession = new EngineSession(this.options.engineState, id, settings);
    this.connections.set(id, { engineSession, secret, socket });
    const status = [...this.serverStatus, ['session_authorization', parameters.get('user')!]] as [
      string,
      string,
    ][];
    const messages = status.map(([name, value]) => parameterStatus(name, settings.get(name) ?? value));
    socket.write(
      Buffer.concat([authenticationOk(), ...messages, backendKeyData(id, secret), readyForQuery('I')]),
    );
    const session = new GatewaySession(this.options.engineState, engineSession, frontendQueue, socket);
    session
      .serve()
      .catch(this.options.onFault)
      .finally(() => this.connections.delete(id));
    return engineSession;
  }

  private refuse(socket: Socket, fields: PgErrorFields): void {
    socket.end(errorResponse({ ...fields, severity: 'FATAL' }));
  }
}

/** The settings in a startup packet, under the spelling of pg_settings, without what is the default anyway. */
function startupSettings(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, string>();
  const asked = [...parameters, ...startupOptions(parameters.get('options') ?? '')];
  for (const [key, value] of asked) {
    if (NOT_SETTINGS.has(key) || key.startsWith('_pq_.')) continue;
    const name =
      [...REPORTED, ...BASELINE.keys()].find((known) => known.toLowerCase() === key.toLowerCase()) ?? key;
    const usual = BASELINE.get(name);
    const same =
      name === 'client_encoding' ? /^utf-?8$/i.test(value) : usual?.toLowerCase() === value.toLowerCase();
    if (!same && !(name === 'application_name' && value === '')) settings.set(name, value);
  }
  return settings;
}

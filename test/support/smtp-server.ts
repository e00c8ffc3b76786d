import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { type SecureContextOptions, TLSSocket, createSecureContext } from 'node:tls';

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came, with folded lines joined. */
  readonly text: string;
  readonly user: string | undefined;
  readonly encrypted: boolean;
}

export interface SmtpOptions {
  /** Offers STARTTLS. */
  readonly tls?: SecureContextOptions;
  /** Demands AUTH PLAIN. */
  readonly auth?: { readonly user: string; readonly password: string };
}

/** The answer to DATA; or no answer at all, or the connection is closed. */
export type SmtpBehaviour = { readonly reply: string } | 'fine' | 'hang' | 'reset';

/** As much of RFC 5321 as a client needs to hand over a mail. */
export class SmtpServer {
  readonly mails: Mail[] = [];
  behaviour: SmtpBehaviour = 'fine';
  private readonly options: SmtpOptions;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(options: SmtpOptions) {
    this.options = options;
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      if (this.behaviour === 'hang') return;
      if (this.behaviour === 'reset') return void socket.resetAndDestroy();
      socket.write('220 test ESMTP\r\n');
      this.converse(socket, false);
    });
  }

  static async start(options: SmtpOptions = {}): Promise<SmtpServer> {
    const smtp = new SmtpServer(options);
    smtp.server.listen(0, '127.0.0.1');
    await once(smtp.server, 'listening');
    return smtp;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private converse(socket: Socket, encrypted: boolean): void {
    let [from, user, data]: (string | undefined)[] = [];
    let to: string[] = [];
    let rest = '';
    const answer = (line: string): string | undefined => {
      if (data !== undefined) {
        if (line !== '.') return void (data += `${line}\n`);
        const text = data.replace(/\n[ \t]+/g, ' ');
        data = undefined;
        if (typeof this.behaviour === 'object') return this.behaviour.reply;
        this.mails.push({ from: from ?? '', to, text, user, encrypted });
        to = [];
        return '250 taken';
      }
      const [verb = ''] = line.toUpperCase().split(' ');
      if (verb === 'EHLO') return this.greeting(encrypted);
      if (verb === 'STARTTLS') return 'TLS';
      if (verb === 'AUTH') {
        const [, name, password] = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString()
          .split('\0');
        user = name;
        const { auth } = this.options;
        return auth?.user === name && auth?.password === password ? '235 welcome' : `535 no: ${password}`;
      }
      if (verb === 'MAIL') from = /<(.*?)>/.exec(line)?.[1];
      if (verb === 'MAIL' && this.options.auth !== undefined && user === undefined) return '530 who are you';
      if (verb === 'RCPT') to.push(/<(.*?)>/.exec(line)?.[1] ?? '');
      if (verb === 'DATA') {
        data = '';
        return '354 go on';
      }
      return verb === 'QUIT' ? '221 bye' : '250 ok';
    };
    const onData = (chunk: Buffer): void => {
      const lines = (rest + chunk.toString()).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const reply = answer(line);
        if (reply === 'TLS') return this.upgrade(socket, onData);
        if (reply !== undefined) socket.write(`${reply}\r\n`);
      }
    };
    socket.on('data', onData);
    socket.on('error', () => {});
  }

  private greeting(encrypted: boolean): string {
    const { tls, auth } = this.options;
    const extras = [
      ...(tls !== undefined && !encrypted ? ['STARTTLS'] : []),
      ...(auth === undefined ? [] : ['AUTH PLAIN']),
    ];
    return ['test', ...extras]
      .map((text, i, all) => `250${i < all.length - 1 ? '-' : ' '}${text}`)
      .join('\r\n');
  }

  private upgrade(socket: Socket, onData: (chunk: Buffer) => void): void {
    socket.off('data', onData);
    socket.write('220 go ahead\r\n');
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext(this.options.tls),
    });
    secured.on('error', () => {});
    this.converse(secured, true);
  }
}

import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TelegramCall {
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

const CONFLICT =
  'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running';

/** Updates and answers as the Bot API has them: an update comes again until a later one is asked for; a second poll ends the first. */
export class TelegramServer {
  readonly calls: TelegramCall[] = [];
  /** Methods that fail, with how often they still do. */
  readonly failing = new Map<string, number>();
  /** Methods that are refused, with the answer. */
  readonly refusing = new Map<string, readonly [number, string]>();
  /** Calls of `getUpdates`. */
  polls = 0;
  #updates: { readonly update_id: number }[] = [];
  #nextId = 100;
  #waiting: (() => void)[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on(
        'end',
        () =>
          void this.#answer(request.url ?? '', body).then(([status, result]) => {
            response.writeHead(status, { 'content-type': 'application/json' });
            response.end(
              JSON.stringify(
                status === 200
                  ? { ok: true, result }
                  : { ok: false, error_code: status, description: result },
              ),
            );
          }),
      );
    });
  }

  static async start(): Promise<TelegramServer> {
    const telegram = new TelegramServer();
    telegram.#server.listen(0, '127.0.0.1');
    await once(telegram.#server, 'listening');
    return telegram;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A user presses a button. */
  press(more: {
    readonly data: string;
    readonly chat?: number;
    readonly from?: Readonly<Record<string, unknown>>;
  }): string {
    const id = `query-${this.#nextId}`;
    const { data, chat = -100123, from = { id: 7, first_name: 'Ann', username: 'ann_l' } } = more;
    const message = {
      message_id: 55,
      date: 1,
      chat: { id: chat },
      text: 'Freezer 1: too warm',
      entities: [],
    };
    this.#updates.push({ update_id: this.#nextId++, ...{ callback_query: { id, from, message, data } } });
    this.#wake();
    return id;
  }

  of(method: string): readonly Readonly<Record<string, unknown>>[] {
    return this.calls.filter((call) => call.method === method).map(({ parameters }) => parameters);
  }

  async stop(): Promise<void> {
    this.#wake();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(path: string, body: string): Promise<readonly [number, unknown]> {
    const method = path.split('/').at(-1) ?? '';
    const parameters = JSON.parse(body) as Record<string, unknown>;
    this.calls.push({ method, parameters });
    const failures = this.failing.get(method) ?? 0;
    if (failures > 0) {
      this.failing.set(method, failures - 1);
      return [502, 'Bad Gateway'];
    }
    const refusal = this.refusing.get(method);
    if (refusal !== undefined) return refusal;
    return method === 'getUpdates' ? this.#poll(parameters) : [200, true];
  }

  async #poll({ offset: from, timeout }: TelegramCall['parameters']): Promise<readonly [number, unknown]> {
    const offset = Number(from ?? 0);
    const poll = ++this.polls;
    this.#wake();
    this.#updates = this.#updates.filter(({ update_id: id }) => id >= offset);
    if (this.#updates.length === 0) {
      const end = setTimeout(() => this.#wake(), Number(timeout ?? 0) * 1000);
      await new Promise<void>((resolve) => this.#waiting.push(resolve)).finally(() => clearTimeout(end));
    }
    if (poll < this.polls) return [409, CONFLICT];
    return [200, this.#updates.filter(({ update_id: id }) => id >= offset)];
  }

  #wake(): void {
    this.#waiting.splice(0).forEach((wake) => wake());
  }
}

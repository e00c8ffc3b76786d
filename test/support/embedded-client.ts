import pg from 'pg';
import { type TestDatabase, openEmbedded } from './embedded-db.ts';

/** An embedded server in its own process, and connections to it. */
export class EmbeddedServer {
  readonly url: string;
  readonly #database: TestDatabase;
  readonly #clients: pg.Client[] = [];

  private constructor(database: TestDatabase) {
    this.#database = database;
    this.url = database.url;
  }

  static async open(): Promise<EmbeddedServer> {
    return new EmbeddedServer(await openEmbedded());
  }

  async connect(options: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url, ...options });
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  async disconnect(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.end().catch(() => undefined)));
  }

  async close(): Promise<void> {
    await this.disconnect();
    await this.#database.close();
  }
}

import { pause } from '../test/support/eventually.ts';

const EVERY_MS = 1000;
const ANSWER_MS = 2000;
/** Wrong accounting stays wrong: the first scrapes show it. */
const REPORTED = 3;
const PARTS = ['stored', 'duplicate', 'merged', 'conflict', 'dead_lettered', 'filtered', 'in_flight'];

export type Account = Readonly<Record<string, number>>;

/** Reads /metrics each second while the daemon answers, and holds the account against its promise. */
export class Scraper {
  scrapes = 0;
  private breaches = 0;
  last: Account | undefined;
  private readonly url: string;
  private readonly onViolation: (what: string, evidence: string) => void;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(port: number, onViolation: (what: string, evidence: string) => void) {
    this.url = `http://127.0.0.1:${port}/metrics`;
    this.onViolation = onViolation;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const text = await this.scrape();
      if (text !== undefined) this.check(text);
      await pause(EVERY_MS, signal);
    }
  }

  /** Undefined while the daemon is down, starting or stopped. */
  private async scrape(): Promise<string | undefined> {
    try {
      const response = await fetch(this.url, { signal: AbortSignal.timeout(ANSWER_MS) });
      return response.ok ? await response.text() : undefined;
    } catch {
      return undefined;
    }
  }

  private check(text: string): void {
    const account = accountOf(text);
    const { received } = account;
    // Ingest is assembled last: an early scrape has no account yet.
    if (received === undefined) return;
    this.scrapes++;
    this.last = account;
    const sum = PARTS.reduce((total, part) => total + (account[part] ?? NaN), 0);
    if (sum === received || ++this.breaches > REPORTED) return;
    this.onViolation(
      'conservation does not hold',
      `at ${new Date().toISOString()}: ${JSON.stringify(account)}`,
    );
  }
}

function accountOf(text: string): Account {
  const found = text.matchAll(/^fieldwatch_ingest_items\{outcome="(\w+)"\} (\S+)$/gm);
  return Object.fromEntries([...found].map(([, outcome = '', value]) => [outcome, Number(value)] as const));
}

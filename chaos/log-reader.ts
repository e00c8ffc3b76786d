/** Codes of errors that are never the fault of a broken link: the daemon's own fault, or an unexpected error. */
const OURS = /^(UNEXPECTED|DB_BUG|DB_UNKNOWN|DB_NOT_COMMITTED|DB_BATCH_REFUSED|DB_SCHEMA|DB_ROW_REFUSED)$/;
const SUSPICIOUS =
  /unexpected|unhandled|uncaught|assertion|deprecat|memory leak|"(Type|Reference|Range|Syntax)Error"/i;
/** The driver's words for a connection that broke. */
const DRIVER = /Connection terminated unexpectedly/g;
/** Up; and subscribed, which may be later. */
const MARKS = ['ready', 'mqtt: subscribed'] as const;
const KEPT_SUSPECTS = 20;
const KEPT_CHARS = 8000;

interface Line {
  readonly level?: unknown;
  readonly msg?: unknown;
  readonly code?: unknown;
}

/** Reads the daemon's log as it comes: remembers what should not be there, and the last words. */
export class LogReader {
  readonly suspects: string[] = [];
  /** Number of lines of level warn and error, by their message. */
  readonly troubles = new Map<string, number>();
  private lines = 0;
  private readonly seenAt = new Map<string, number>();
  private rest = '';
  private tail: { readonly line: number; readonly text: string }[] = [];
  private tailChars = 0;

  write(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line);
  }

  mark(): number {
    this.rest = '';
    return this.lines;
  }

  /** Whether a message that matters was logged since a mark. */
  saw(msg: (typeof MARKS)[number], from: number): boolean {
    return (this.seenAt.get(msg) ?? -1) >= from;
  }

  /** The last lines since a mark. */
  textSince(from: number): string {
    const found = this.tail.filter(({ line }) => line >= from).map(({ text }) => text);
    return [...found, this.rest].join('\n').trim();
  }

  private line(text: string): void {
    const number = this.lines++;
    this.tail.push({ line: number, text });
    this.tailChars += text.length;
    while (this.tailChars > KEPT_CHARS) this.tailChars -= this.tail.shift()?.text.length ?? Infinity;
    const { level, msg, code } = parse(text);
    if (MARKS.some((mark) => mark === msg)) this.seenAt.set(String(msg), number);
    if (typeof msg === 'string' && (level === 'warn' || level === 'error')) {
      this.troubles.set(msg, (this.troubles.get(msg) ?? 0) + 1);
    }
    const ours = typeof code === 'string' && OURS.test(code);
    if ((ours || SUSPICIOUS.test(text.replace(DRIVER, ''))) && this.suspects.length < KEPT_SUSPECTS)
      this.suspects.push(text);
  }
}

function parse(text: string): Line {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

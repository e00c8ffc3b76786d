import type { AlertNotification } from '../../core/alert/model.ts';
import { counted } from '../../core/counted.ts';
import { formatAlertLine } from '../alerts/line.ts';
import { type Paint, createPaint } from '../output/terminal.ts';

export interface DemoSnapshot {
  /** Monotonic or wall milliseconds, of one clock: paces the plain lines. */
  readonly atMs: number;
  /** Over the last second or so. */
  readonly messagesPerSecond: number;
  /** Rows stored since the start. */
  readonly rowsStored: number;
  readonly sensors: number;
  readonly firingAlerts: number;
  /** From arrival to commit of the latest batch; null before the first. */
  readonly lagMs: number | null;
}

export interface DemoViewOptions {
  readonly out: { write(text: string): unknown };
  readonly isTTY: boolean;
  /** Width of the terminal; a function is called again for every line. */
  readonly columns: number | (() => number | undefined) | undefined;
  readonly color: boolean;
  /** Between progress lines where they cannot update in place. Default 5 s. */
  readonly plainEveryMs?: number;
}

export interface DemoView {
  /** Updates the progress line; call it as often as you like. */
  progress(snapshot: DemoSnapshot): void;
  /** Prints an alert above the progress line. */
  alert(notification: AlertNotification): void;
  /** Prints a line of text above the progress line. */
  note(line: string): void;
  /** Leaves the progress line where it is: what is printed from now on comes below it, until the next `progress`. */
  settle(): void;
  /** Leaves the last progress line on the screen; nothing is printed afterwards. Idempotent. */
  close(): void;
  /** Prints nothing any more, not even the end of a line: the terminal is gone. */
  abandon(): void;
}

/** A progress line that updates in place on a terminal and is a line every few seconds elsewhere; alerts above it. */
export function createDemoView(options: DemoViewOptions): DemoView {
  return options.isTTY ? new LiveView(options) : new PlainView(options);
}

const CLEAR_LINE = '\r\u001b[2K';

class LiveView implements DemoView {
  readonly #options: DemoViewOptions;
  readonly #paint: Paint;
  #line = '';
  #closed = false;

  constructor(options: DemoViewOptions) {
    this.#options = options;
    this.#paint = createPaint(options.color);
  }

  progress(snapshot: DemoSnapshot): void {
    if (this.#closed) return;
    this.#line = formatProgress(snapshot, this.#width() - 1, this.#paint);
    this.#options.out.write(`${CLEAR_LINE}${this.#line}`);
  }

  alert(notification: AlertNotification): void {
    this.note(formatAlertLine(notification, this.#paint));
  }

  // One write for the line and the progress below it: two would flicker.
  note(line: string): void {
    if (!this.#closed) this.#options.out.write(`${CLEAR_LINE}${line}\n${this.#line}`);
  }

  settle(): void {
    if (!this.#closed && this.#line !== '') this.#options.out.write('\n');
    this.#line = '';
  }

  close(): void {
    this.settle();
    this.#closed = true;
  }

  abandon(): void {
    this.#closed = true;
  }

  #width(): number {
    const { columns } = this.#options;
    const width = typeof columns === 'function' ? columns() : columns;
    // A terminal of unknown size reports 0.
    return width === undefined || width === 0 ? 80 : width;
  }
}

class PlainView implements DemoView {
  readonly #options: DemoViewOptions;
  readonly #paint: Paint;
  #nextMs = -Infinity;
  #closed = false;

  constructor(options: DemoViewOptions) {
    this.#options = options;
    this.#paint = createPaint(options.color);
  }

  progress(snapshot: DemoSnapshot): void {
    if (snapshot.atMs < this.#nextMs) return;
    this.#nextMs = snapshot.atMs + (this.#options.plainEveryMs ?? 5_000);
    this.note(formatProgress(snapshot, Infinity, this.#paint));
  }

  alert(notification: AlertNotification): void {
    this.note(formatAlertLine(notification, this.#paint));
  }

  note(line: string): void {
    if (!this.#closed) this.#options.out.write(`${line}\n`);
  }

  settle(): void {}

  close(): void {
    this.#closed = true;
  }

  abandon(): void {
    this.#closed = true;
  }
}

const grouped = (value: number): string => Math.round(value).toLocaleString('en-US');

/** The figures as far as they fit, the most important first: a line that wraps could not be updated in place. */
export function formatProgress(snapshot: DemoSnapshot, width: number, paint: Paint): string {
  const { firingAlerts, lagMs } = snapshot;
  const parts = [
    `${grouped(snapshot.messagesPerSecond)} messages/s`,
    `${grouped(snapshot.rowsStored)} rows stored`,
    `${firingAlerts} firing`,
    counted(snapshot.sensors, 'sensor'),
    `lag ${lagMs === null ? '-' : `${grouped(lagMs)} ms`}`,
  ];
  while (parts.length > 1 && parts.join(' · ').length > width) parts.pop();
  const shown = parts.map((part, index) => (index === 2 && firingAlerts > 0 ? paint.yellow(part) : part));
  return shown.join(paint.dim(' · '));
}

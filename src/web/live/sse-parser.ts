export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  /** The last id that the stream has named: what a resumed one begins after. */
  readonly id: string;
}

/** Reads `text/event-stream` (WHATWG HTML 9.2.6), chunk by chunk. */
export class SseParser {
  #rest = '';
  #afterCr = false;
  #type = '';
  #data: string[] = [];
  #id: string;

  constructor(lastEventId = '') {
    this.#id = lastEventId;
  }

  push(chunk: string): readonly ServerEvent[] {
    const events: ServerEvent[] = [];
    // A CR that ends a chunk ends its line at once; the LF that may follow belongs to it.
    let text = this.#afterCr && chunk.startsWith('\n') ? chunk.slice(1) : chunk;
    if (chunk !== '') this.#afterCr = chunk.endsWith('\r');
    text = this.#rest + text;
    const lines = text.split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line, events);
    return events;
  }

  #line(line: string, events: ServerEvent[]): void {
    if (line === '') return this.#dispatch(events);
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(events: ServerEvent[]): void {
    if (this.#data.length > 0)
      events.push({
        type: this.#type === '' ? 'message' : this.#type,
        data: this.#data.join('\n'),
        id: this.#id,
      });
    this.#type = '';
    this.#data = [];
  }
}

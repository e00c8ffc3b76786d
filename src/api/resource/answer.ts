import type { ServerResponse } from 'node:http';

/** A value with an entity tag or headers of its own. */
export class Answer<Value> {
  readonly value: Value;
  readonly etag: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(value: Value, { etag, headers = {} }: AnswerOptions) {
    this.value = value;
    this.etag = etag;
    this.headers = headers;
  }
}

export interface AnswerOptions {
  /** With its quotes: `"…"` or `W/"…"`; default: a digest of the JSON. */
  readonly etag?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const answer = <Value>(value: Value, options: AnswerOptions): Answer<Value> =>
  new Answer(value, options);

/** The handler writes the response itself and may keep it open. */
export class Taken {
  readonly take: (response: ServerResponse) => void;

  constructor(take: (response: ServerResponse) => void) {
    this.take = take;
  }
}

export const taken = (take: (response: ServerResponse) => void): Taken => new Taken(take);

/** A long answer, sent piece by piece as the client reads. */
export class Streamed {
  readonly contentType: string;
  readonly pieces: AsyncIterable<string | Uint8Array>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    contentType: string,
    pieces: AsyncIterable<string | Uint8Array>,
    headers: Readonly<Record<string, string>>,
  ) {
    this.contentType = contentType;
    this.pieces = pieces;
    this.headers = headers;
  }
}

export const streamed = (
  contentType: string,
  pieces: AsyncIterable<string | Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
): Streamed => new Streamed(contentType, pieces, headers);

/** Connection of a request, as its handler sees it. */
export interface Connection {
  /** From now to the last byte of the answer, in place of the usual limit. Infinity: the handler ends the connection. */
  limit(ms: number): void;
}

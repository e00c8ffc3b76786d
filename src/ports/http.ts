/** What the server that accepted a request does for whoever answers it. */
export interface Connection {
  /** From now to the last byte of the answer, in place of the usual limit. Infinity: whoever answers ends the connection. */
  limit(ms: number): void;
}

import type { ErrorKind } from '../core/errors.ts';

/** Messages of the server process to its parent. */
export type ServerMessage =
  | { readonly type: 'ready'; readonly port: number }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly kind: ErrorKind;
      readonly message: string;
      readonly remedy?: string;
    };

export interface ServerArguments {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
}

/** The one database of the embedded server, and the other name that clients may use for it. */
export const DATABASE = 'postgres';
export const DATABASE_ALIASES = ['fieldwatch', DATABASE];

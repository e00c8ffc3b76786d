/**
 * The reaction that an error requires: `transient` retry with backoff · `data` set the one row or message aside ·
 * `config` the operator must change a setting · `schema` the database is not what the program expects · `auth`
 * credentials or rights · `bug` ours.
 */
export type ErrorKind = 'transient' | 'data' | 'config' | 'schema' | 'auth' | 'bug';

export interface ErrorDetail {
  /** Stable, upper-case, greppable: `DB_UNREACHABLE`. Never reused for another meaning. */
  readonly code: string;
  readonly kind: ErrorKind;
  /** The operator's way out, as a sentence. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** Every error that fieldwatch raises on purpose. The message says where, what, and what was expected. */
export class FieldwatchError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly remedy: string | undefined;

  constructor(message: string, detail: ErrorDetail) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'FieldwatchError';
    this.code = detail.code;
    this.kind = detail.kind;
    this.remedy = detail.remedy;
  }
}

/** The message of anything that was thrown, for logs and display. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of anything that was thrown. */
export const codeOf = (error: unknown): string =>
  error instanceof FieldwatchError ? error.code : 'UNEXPECTED';

/** Writers of the backend messages that the gateway makes itself, and of the few frontend messages it injects. */

export type TransactionStatus = 'I' | 'T' | 'E';

/** Type bytes of the protocol, under the names of the PostgreSQL manual. */
export const MSG = {
  Query: 0x51, Parse: 0x50, Bind: 0x42, Describe: 0x44, Execute: 0x45, Close: 0x43, Sync: 0x53, Flush: 0x48,
  Terminate: 0x58, CopyData: 0x64, CopyDone: 0x63, CopyFail: 0x66, Password: 0x70, FunctionCall: 0x46,
} as const; // prettier-ignore

export interface PgErrorFields {
  readonly severity?: 'ERROR' | 'FATAL';
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

/** An error the gateway itself raises towards a client. */
export class PgError extends Error {
  readonly fields: PgErrorFields;

  constructor(fields: PgErrorFields) {
    super(fields.message);
    this.fields = fields;
  }
}

/** One message: type, length, body. */
export function frame(type: number, ...parts: readonly (Buffer | string)[]): Buffer {
  let length = 4;
  for (const part of parts) length += typeof part === 'string' ? Buffer.byteLength(part) + 1 : part.length;
  const message = Buffer.allocUnsafe(length + 1);
  message[0] = type;
  message.writeInt32BE(length, 1);
  let at = 5;
  for (const part of parts) {
    if (typeof part === 'string') {
      at += message.write(part, at);
      message[at++] = 0;
    } else {
      at += part.copy(message, at);
    }
  }
  return message;
}

const type = (letter: string) => letter.charCodeAt(0);
const int16 = (...values: number[]) => {
  const bytes = Buffer.allocUnsafe(values.length * 2);
  values.forEach((value, i) => bytes.writeInt16BE(value, i * 2));
  return bytes;
};
const int32 = (...values: number[]) => {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  values.forEach((value, i) => bytes.writeInt32BE(value, i * 4));
  return bytes;
};

export const authenticationOk = () => frame(type('R'), int32(0));
/** The list of mechanisms ends with an empty one. */
export const authenticationSasl = (mechanisms: readonly string[]) =>
  frame(type('R'), int32(10), ...mechanisms, Buffer.from([0]));
export const authenticationSaslContinue = (data: string) => frame(type('R'), int32(11), Buffer.from(data));
export const authenticationSaslFinal = (data: string) => frame(type('R'), int32(12), Buffer.from(data));
export const parameterStatus = (name: string, value: string) => frame(type('S'), name, value);
export const backendKeyData = (pid: number, secret: number) => frame(type('K'), int32(pid, secret));
export const commandComplete = (tag: string) => frame(type('C'), tag);

const READY = {
  I: frame(type('Z'), Buffer.from('I')),
  T: frame(type('Z'), Buffer.from('T')),
  E: frame(type('Z'), Buffer.from('E')),
};
export const readyForQuery = (status: TransactionStatus) => READY[status];

export function errorResponse(error: PgErrorFields): Buffer {
  const severity = error.severity ?? 'ERROR';
  const fields = [`S${severity}`, `V${severity}`, `C${error.code}`, `M${error.message}`];
  if (error.detail !== undefined) fields.push(`D${error.detail}`);
  if (error.hint !== undefined) fields.push(`H${error.hint}`);
  return frame(type('E'), ...fields, Buffer.from([0]));
}

/** CopyInResponse when the engine was not asked for the real one: overall format, no column list. */
export const copyInResponse = (binary: boolean) => frame(type('G'), Buffer.from([binary ? 1 : 0]), int16(0));

export const query = (sql: string) => frame(MSG.Query, sql);
export const sync = () => frame(MSG.Sync);
export const closeStatement = (name: string) => frame(MSG.Close, Buffer.from('S'), name);
export const copyFail = (reason: string) => frame(MSG.CopyFail, reason);

/** Parse, Bind and Execute of one statement with text parameters, without Sync: part of the open pipeline. */
export function pipelined(sql: string, values: readonly string[] = []): Buffer {
  const parameters = values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]);
  const name = 'fieldwatch_gateway';
  return Buffer.concat([
    closeStatement(name),
    frame(MSG.Parse, name, sql, int16(0)),
    frame(MSG.Bind, name, name, int16(0, values.length), ...parameters, int16(0)),
    frame(MSG.Execute, name, int32(0)),
    frame(MSG.Close, Buffer.from('P'), name),
  ]);
}

/** A quoted SQL literal. */
export const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** Errors of the gateway go to the client; any other error is a fault and ends the process. */
export function asPgError(error: unknown): PgError {
  if (error instanceof PgError) return error;
  throw error;
}

/** Makes the engine's transaction fail with the given SQLSTATE. */
export function raiseStatement(error: PgError): string {
  return `DO $fieldwatch$ BEGIN RAISE EXCEPTION 'gateway' USING ERRCODE = ${literal(error.fields.code)}; END $fieldwatch$`;
}

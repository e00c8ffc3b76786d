import { MSG, PgError, copyInResponse } from './backend.ts';
import type { EngineResult } from './engine-process.ts';
import { ClientDisconnected, type EngineSession } from './engine-session.ts';
import type { EngineState } from './engine-state.ts';
import type { FrontendQueue } from './frontend-queue.ts';

const PROBE_CACHE_ENTRIES = 200;
const SAVEPOINT = 'fieldwatch_gateway_copy';

/**
 * The engine's answer to this COPY FROM STDIN before it has data: its CopyInResponse (true format and number of
 * columns), or the error that PostgreSQL would give at once (no such table, no such column). Found out by running the
 * statement with no data, which fails and is rolled back; remembered by text, so it costs one round per statement.
 */
export function probeCopy(
  engineState: EngineState,
  engineSession: EngineSession,
  sql: string,
): Buffer | EngineResult {
  const known = engineState.copyResponses.get(sql);
  if (known !== undefined && engineSession.status !== 'E') return known;
  const inTransaction = engineSession.status === 'T';
  if (inTransaction) engineState.runOwn(`SAVEPOINT ${SAVEPOINT}`);
  const output = engineState.runOwn(sql);
  if (output.copyIn === null) {
    if (output.status !== null) engineSession.status = output.status;
    return output;
  }
  if (inTransaction) engineState.runOwn(`ROLLBACK TO ${SAVEPOINT}; RELEASE ${SAVEPOINT}`);
  if (engineState.copyResponses.size >= PROBE_CACHE_ENTRIES)
    engineState.copyResponses.delete(engineState.copyResponses.keys().next().value!);
  engineState.copyResponses.set(sql, output.copyIn);
  return output.copyIn;
}

/** For the extended protocol, where a probe would end the open pipeline. */
export function copyResponseFor(engineState: EngineState, sql: string, binary: boolean): Buffer {
  return engineState.copyResponses.get(sql) ?? copyInResponse(binary);
}

/**
 * Gathers CopyData up to and including CopyDone or CopyFail. All of it is needed before the engine can begin (see
 * engine-process.ts), so the amount is limited.
 * @throws PgError 54000 above the limit, after the client has ended its copy; ClientDisconnected on disconnect.
 */
export async function gatherCopyData(
  frontendQueue: FrontendQueue,
  maxBytes: number,
  idle: { start(): void; stop(): void },
): Promise<Buffer[]> {
  const data: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    let message = frontendQueue.poll();
    if (message === undefined) {
      idle.start();
      const next = await frontendQueue.next();
      idle.stop();
      if (next === null) throw new ClientDisconnected();
      message = next;
    }
    switch (message.type) {
      case MSG.CopyData:
        bytes += message.raw.length;
        if (bytes <= maxBytes) data.push(message.raw);
        else data.length = 0;
        break;
      case MSG.CopyDone:
      case MSG.CopyFail:
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        data.push(message.raw);
        return data;
      case MSG.Flush:
      case MSG.Sync:
        break; // libpq sends Sync right after Execute; PostgreSQL ignores it during COPY
      default:
        throw new PgError({
          severity: message.type === MSG.Terminate ? 'FATAL' : 'ERROR',
          code: '08P01',
          message: `unexpected message type 0x${message.type.toString(16)} during COPY from stdin`,
        });
    }
  }
}

function tooLarge(maxBytes: number): PgError {
  return new PgError({
    code: '54000',
    message: `COPY from stdin carries more than ${Math.floor(maxBytes / 1048576)} MiB`,
    detail: 'The embedded database gathers the data of one COPY in memory before it runs.',
    hint: 'Split the data into several COPY statements.',
  });
}

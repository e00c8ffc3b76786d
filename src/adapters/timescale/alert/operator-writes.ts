import type { AlertAck, AppliedCommands } from '../../../core/alert/model.ts';
import { FieldwatchError } from '../../../core/errors.ts';
import { KEY_COLUMNS } from './alert-keys.ts';
import type { Work } from '../connection/session.ts';
import { columns, isoMicros, storableText } from '../values.ts';

/**
 * Marks commands as applied, in the transaction that does what they ask. One that another daemon has, or has in hand just
 * now, ends the transaction: nothing is done twice. One that this daemon has already is fine: the reply to its COMMIT
 * was lost.
 */
export async function claimCommands(work: Work, { by, outcomes }: AppliedCommands): Promise<void> {
  const ids = outcomes.map(({ id }) => id);
  const { rows } = await work.query(
    `UPDATE alert_commands c SET applied_at = coalesce(c.applied_at, now()), applied_by = $3, outcome = o.outcome
       FROM unnest($1::bigint[], $2::text[]) AS o (id, outcome)
      WHERE c.id = o.id AND c.id IN (
        SELECT id FROM alert_commands WHERE id = ANY ($1::bigint[]) AND (applied_at IS NULL OR applied_by = $3)
         ORDER BY id FOR UPDATE SKIP LOCKED)
     RETURNING c.id`,
    [ids, outcomes.map(({ outcome }) => outcome), by],
  );
  if (rows.length === ids.length) return;
  throw new FieldwatchError('alert commands: another daemon has taken one of them', {
    code: 'COMMAND_TAKEN',
    kind: 'transient',
  });
}

/** Every unacknowledged row of the episode; an acknowledgement without an end stands. */
export async function acknowledge(work: Work, acks: readonly AlertAck[]): Promise<void> {
  const fired = acks.map((ack) => ack.firedAtUs);
  await work.query(
    `UPDATE sensor_alerts a SET acked_at = k.acked_at, acked_by = k.acked_by, acked_until = k.acked_until
       FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
                   $8::timestamptz[])
              AS k (sensor_id, metric, kind, side, fired_at, acked_at, acked_by, acked_until)
      WHERE a.sensor_id = k.sensor_id AND a.metric = k.metric AND a.kind = k.kind AND a.side = k.side AND a.time = k.fired_at
        AND (a.acked_at IS NULL OR a.acked_until IS NOT NULL) AND a.time BETWEEN $9::timestamptz AND $10::timestamptz`,
    [
      ...columns(
        acks,
        ...KEY_COLUMNS,
        (ack) => isoMicros(ack.firedAtUs),
        (ack) => isoMicros(ack.ackedAtMs * 1000),
        (ack) => storableText(ack.ackedBy),
        (ack) => (ack.ackedUntilMs === undefined ? null : isoMicros(ack.ackedUntilMs * 1000)),
      ),
      isoMicros(fired.reduce((a, b) => Math.min(a, b), Infinity)),
      isoMicros(fired.reduce((a, b) => Math.max(a, b), -Infinity)),
    ],
  );
}

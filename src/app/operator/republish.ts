import { brokerUnreachable, errorFailure } from '../../adapters/mqtt/failure.ts';
import { openPublisher } from '../../adapters/mqtt/publish-once.ts';
import { type StoredDeadLetter, requeueDeadLetters } from '../../adapters/timescale/ingest/dead-letters.ts';
import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Db } from '../../queries/db.ts';
import type { LetterToRetry } from '../../queries/dead-letters.ts';
import { mqttOptions } from '../options.ts';

/**
 * Publishes dead letters once more, to their topics at the broker, and marks each. `db` is one connection: its lock keeps others from
 * doing the same at the same time.
 */
export async function republish(
  db: Db,
  letters: readonly LetterToRetry[],
  { config, url, again }: { readonly config: Config; readonly url: string; readonly again: boolean },
): Promise<Republished> {
  const refused = new Map<string, string>();
  let taken = 0;
  if (letters.length === 0) return { published: 0, refused };
  const publisher = await openPublisher(mqttOptions(config, url, []), url).catch((error: unknown) => {
    throw unreachable(url, error);
  });
  try {
    const publish = async ({ topic, payload }: StoredDeadLetter): Promise<boolean> => {
      if (refused.has(topic)) return false;
      try {
        await publisher.publish(topic, payload, { qos: 1, retain: false, subscribed: true });
      } catch (error) {
        if (!(error instanceof FieldwatchError) || !OF_A_TOPIC.has(error.code)) throw error;
        refused.set(topic, `${error.message}. ${error.remedy}`);
        return false;
      }
      taken++;
      return true;
    };
    return { published: await requeueDeadLetters(db, letters, publish, again), refused };
  } catch (error) {
    if (taken > 0 && error instanceof FieldwatchError)
      error.message += ` (${counted(taken, 'dead letter')} of ${letters.length} published before)`;
    throw error;
  } finally {
    await publisher.end();
  }
}

/** Errors that concern one topic; other topics may be accepted. */
const OF_A_TOPIC: ReadonlySet<string> = new Set(['PUBLISH_REFUSED', 'PUBLISH_NO_SUBSCRIBER']);

export interface Republished {
  readonly published: number;
  /** By topic, why the broker refused it. */
  readonly refused: ReadonlyMap<string, string>;
}

function unreachable(url: string, error: unknown): FieldwatchError {
  const { reason, remedy } = errorFailure(error as Error);
  return brokerUnreachable(`cannot publish to ${new URL(url).host}: ${reason}`, { cause: error, remedy });
}

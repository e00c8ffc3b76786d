import type { Config } from '../../config/schema/index.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { SinkConfig } from '../../sinks/index.ts';

/** The sink of that name; throws SINK_UNKNOWN. */
export function sinkCalled({ notify: { sinks } }: Config, name: string): SinkConfig {
  const found = sinks.find((sink) => sink.name === name);
  if (found !== undefined) return found;
  throw new FieldwatchError(`no sink is called "${name}"`, {
    code: 'SINK_UNKNOWN',
    kind: 'config',
    remedy:
      sinks.length === 0
        ? 'list sinks under notify in the configuration: docs/notifications.md'
        : `one of ${sinks.map((sink) => sink.name).join(', ')}`,
  });
}

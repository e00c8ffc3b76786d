import { createMetrics } from '../src/adapters/http/metrics.ts';
import { createLogger } from '../src/adapters/log/logger.ts';
import { limitHeapGrowth } from '../src/adapters/system/heap-growth.ts';
import { App } from '../src/app.ts';
import type { Config } from '../src/config/schema/index.ts';
import type { MessageSource } from '../src/ports/messages.ts';
import type { LogFields, Logger } from '../src/ports/metrics.ts';
import type { ReadingStore, StoreBatch } from '../src/ports/store.ts';

/** The events that a measurement gets while the daemon works. */
export interface Probe {
  /** For every message, before the daemon sees it: must cost next to nothing. */
  received?(): void;
  /** After a commit has resolved, with what was stored anew and how long it took. */
  committed?(batch: StoreBatch, stored: number, ms: number): void;
  /** After the PUBACKs of this many messages have been written. */
  acknowledged?(messages: number): void;
  subscribed?(): void;
  /** Before it is started. */
  source?(source: Pick<MessageSource, 'pause' | 'resume'>): void;
  disconnected?(): void;
  /** Every line for the alert log. */
  alerted?(line: string): void;
  /** Every line that a log of level `info` would have. */
  logged?(fields: LogFields): void;
}

/** The daemon, whole, with a probe at the broker and one at the database. */
export function measuredApp(config: Config, probe: Probe, level: 'warn' | 'error' = 'warn'): App {
  limitHeapGrowth();
  return new App(config, {
    logger: probedLogger(createLogger({ level, format: 'json' }), probe),
    metrics: createMetrics(),
    alertLog: { write: (line) => probe.alerted?.(line) },
    wrap: {
      store: (store) => probedStore(store, probe),
      source: (source) => probedSource(source, probe),
    },
  });
}

function probedLogger(logger: Logger, probe: Probe): Logger {
  const at = (level: 'info' | 'warn' | 'error') => (fields: LogFields, message: string) => {
    probe.logged?.(fields);
    logger[level](fields, message);
  };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    ...{ info: at('info'), warn: at('warn'), error: at('error') },
    child: (bindings) => probedLogger(logger.child(bindings), probe),
  };
}

function probedStore(store: ReadingStore, probe: Probe): ReadingStore {
  return {
    async commit(batch, signal) {
      const startMs = performance.now();
      const result = await store.commit(batch, signal);
      if (result.kind === 'committed') probe.committed?.(batch, result.stored, performance.now() - startMs);
      return result;
    },
    close: () => store.close(),
  };
}

function probedSource(source: MessageSource, probe: Probe): MessageSource {
  probe.source?.(source);
  return {
    start: (handlers) =>
      source.start({
        onMessage: (message) => {
          probe.received?.();
          handlers.onMessage(message);
        },
        onConnectivity: (connectivity) => {
          handlers.onConnectivity(connectivity);
          if (connectivity.state === 'subscribed') probe.subscribed?.();
          if (connectivity.state === 'disconnected') probe.disconnected?.();
        },
      }),
    acknowledge: (messages) => {
      source.acknowledge(messages);
      probe.acknowledged?.(messages.length);
    },
    pause: () => source.pause(),
    resume: () => source.resume(),
    resubscribe: (filters) => source.resubscribe(filters),
    get readThroughMs() {
      return source.readThroughMs ?? -Infinity;
    },
    unsubscribe: async () => (await source.unsubscribe?.()) ?? false,
    stopReceiving: () => source.stopReceiving(),
    stop: () => source.stop(),
  };
}

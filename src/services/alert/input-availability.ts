import type { AlertEngine } from '../../core/alert/engine/engine.ts';
import type { Connectivity } from '../../ports/messages.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

/** Inputs that all readings pass: the ingest window, and the handover from other daemons of a share group. */
export type InputSource = 'ingest' | 'group';

/** Tracks whether every input that carries readings is available. Where one is not, silence of a sensor means nothing. */
export class InputAvailability {
  private readonly deps: { readonly clock: Clock; readonly logger: Logger };
  private connected = false;
  private readonly unavailableSources = new Set<InputSource>();

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.deps = deps;
  }

  setReceiving(receiving: boolean, source: InputSource, engine: AlertEngine): void {
    if (receiving !== this.unavailableSources.has(source)) return;
    if (receiving) this.unavailableSources.delete(source);
    else this.unavailableSources.add(source);
    this.follow(engine);
  }

  /** While the broker is away: one line instead of one per sensor. */
  onConnectivity(connectivity: Connectivity, engine: AlertEngine): void {
    if (connectivity.state === 'connected') {
      this.connected = true;
      this.follow(engine);
    } else if (connectivity.state === 'disconnected') {
      engine.disconnected();
      if (this.connected)
        this.deps.logger.warn(
          { event: 'collector_disconnected', reason: connectivity.reason },
          'broker unreachable: no-data alerts are suspended',
        );
      this.connected = false;
    }
  }

  /** Silence counts from now, if every input is available. */
  follow(engine: AlertEngine): void {
    if (this.connected && this.unavailableSources.size === 0) engine.connected(this.deps.clock.nowMs());
    else engine.disconnected();
  }
}

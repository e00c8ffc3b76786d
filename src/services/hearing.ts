import type { Engine } from '../core/alert/engine.ts';
import type { Clock, Connectivity, Logger } from '../ports.ts';

/** What all that sensors say must pass: the window of the intake, and what other daemons of a share group hand on. */
export type Ear = 'intake' | 'group';

/** Whether everything that is said of the sensors comes here. Where it does not, nobody can tell whether they are silent. */
export class Hearing {
  private readonly deps: { readonly clock: Clock; readonly logger: Logger };
  private connected = false;
  private readonly deafBy = new Set<Ear>();

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.deps = deps;
  }

  listen(hears: boolean, ear: Ear, engine: Engine): void {
    if (hears !== this.deafBy.has(ear)) return;
    if (hears) this.deafBy.delete(ear);
    else this.deafBy.add(ear);
    this.follow(engine);
  }

  /** While the broker is away: one line instead of one per sensor. */
  onConnectivity(connectivity: Connectivity, engine: Engine): void {
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

  /** Silence counts from now, if all that is said can be heard. */
  follow(engine: Engine): void {
    if (this.connected && this.deafBy.size === 0) engine.connected(this.deps.clock.nowMs());
    else engine.disconnected();
  }
}

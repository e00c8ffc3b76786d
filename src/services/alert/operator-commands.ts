import { randomUUID } from 'node:crypto';
import { applyCommand, isOpen } from '../../core/alert/engine/commands.ts';
import type { AlertEngine } from '../../core/alert/engine/engine.ts';
import type { AppliedCommands } from '../../core/alert/model.ts';
import type { Silence } from '../../core/alert/suppress/silence.ts';
import { messageOf } from '../../core/errors.ts';
import type { Millis } from '../../core/reading.ts';
import { Outage } from '../../lib/outage.ts';
import type { OperatorStore, WaitingCommand } from '../../ports/alerts.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { alertId } from './alert-id.ts';

export interface OperatorCommandsDeps {
  readonly operators: OperatorStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A silence that has just ended still applies to readings that arrived before, and to due times that passed meanwhile. */
const KEPT_MS = 3_600_000;
/** Another daemon may own the alert of a command; after this time none does. */
const GIVE_UP_MS = 10_000;

/** Takes in commands of operators from other processes: silences, acknowledgements, manual resolves. */
export class OperatorCommands {
  /** Unique to this process: it identifies its own mark on a command when the reply to a COMMIT was lost. */
  private readonly daemon = randomUUID();
  private readonly deps: OperatorCommandsDeps;
  private known = '[]';
  private readonly outage: Outage;

  constructor(deps: OperatorCommandsDeps) {
    this.deps = deps;
    this.outage = new Outage(deps.clock);
  }

  /** Every silence that matters, at the start. A failure is thrown: without silences, silenced alerts would notify. */
  async load(): Promise<readonly Silence[]> {
    const { silences } = await this.pollStore();
    this.known = JSON.stringify(silences);
    return silences;
  }

  /** Changes since the last call: all silences if one of them changed, and the commands that this daemon can execute. Never throws. */
  async poll(engine: AlertEngine): Promise<{
    readonly silences?: readonly Silence[];
    readonly commands: readonly WaitingCommand[];
    readonly sensorSeq?: number | undefined;
  }> {
    try {
      const { silences, commands, sensorSeq } = await this.pollStore();
      this.outage.recovered();
      const mine = commands.filter((command) => command.ageMs > GIVE_UP_MS || isOpen(engine, command));
      const text = JSON.stringify(silences);
      if (text === this.known) return { commands: mine, sensorSeq };
      this.known = text;
      this.deps.logger.info({ silences: silences.length }, 'silences changed');
      return { silences, commands: mine, sensorSeq };
    } catch (error) {
      // Once: the batch writer reports that the database is away.
      if (this.outage.failed(error))
        this.deps.logger.warn({ error: messageOf(error) }, 'cannot read operator silences and commands');
      return { commands: [] };
    }
  }

  /** Executes commands within the current working set. */
  execute(engine: AlertEngine, commands: readonly WaitingCommand[], nowMs: Millis): AppliedCommands {
    const outcomes = commands.map((command) => {
      const { alertId: episode, endsMs } = command;
      const wanted = { ...command, alertId: episode ?? undefined, untilMs: endsMs ?? undefined };
      return { id: command.id, outcome: applyCommand(engine, wanted, nowMs, alertId) };
    });
    return { by: this.daemon, outcomes };
  }

  /** Once it is committed. */
  report(commands: readonly WaitingCommand[], { outcomes }: AppliedCommands): void {
    commands.forEach((command, index) => {
      const { kind, sensorId, alertType, alertId: episode, by, comment, endsMs } = command;
      this.deps.logger.info(
        {
          command: kind,
          alert_id: episode,
          sensor_id: sensorId,
          alert_type: alertType,
          by,
          comment,
          ...(typeof endsMs === 'number' ? { until: new Date(endsMs).toISOString() } : {}),
          outcome: outcomes[index]?.outcome,
        },
        kind === 'ack' ? 'alert acknowledged by an operator' : 'alert closed by an operator',
      );
    });
  }

  private pollStore(): ReturnType<OperatorStore['poll']> {
    return this.deps.operators.poll(this.deps.clock.nowMs() - KEPT_MS);
  }
}

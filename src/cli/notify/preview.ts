import { type Command, Option } from 'commander';
import { recentOf } from '../../adapters/timescale/notify/recent-values.ts';
import { textDefaults } from '../../app/wiring/texts.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import type { OutgoingNotification } from '../../core/notify/delivery.ts';
import { bodyOf, titleOf } from '../../core/notify/messages.ts';
import { LANGUAGES, LANGUAGE_NAMES, type LanguageName } from '../../core/notify/text/languages.ts';
import { localTime } from '../../core/notify/text/moment.ts';
import { sampleNotifications } from '../../core/notify/text/samples.ts';
import { type TextContext, clockOf } from '../../core/notify/text/sentence.ts';
import { plainText } from '../../core/printable.ts';
import type { Db } from '../../queries/db.ts';
import { metricUnits } from '../../queries/metrics.ts';
import {
  type PastNotification,
  escalated,
  lastEpisodes,
  outcomeAt,
  pastDeliveries,
  pastEscalations,
  pastNotifications,
  unsentOf,
} from '../../queries/past-notifications.ts';
import type { SinkConfig } from '../../sinks/index.ts';
import { textsOf } from '../../sinks/fields.ts';
import { explainedSuppression, outcomeWords } from '../alerts/words.ts';
import { isAlertId, unknownAlert, wholeAlertId } from '../alerts/id-argument.ts';
import { numeric } from '../arguments.ts';
import { type Cli, type ExitCode, configOption, jsonOption, print, subcommand, usage } from '../command.ts';
import { withDatabase } from '../database.ts';
import { configInForce } from '../demo/story.ts';
import { sinkCalled } from './sink.ts';
import { jsonLine } from '../output/rows.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly alert?: string;
  readonly last: number;
  readonly samples?: boolean;
  readonly language?: LanguageName;
}

/** `fieldwatch notify preview`: past alerts as the texts of a sink. */
export const notifyPreviewCommand = (cli: Cli): Command =>
  subcommand(
    'preview',
    'the texts that past alerts would have had, sent at once; without any, those of samples',
    'fieldwatch notify preview phone --last 3\nfieldwatch notify preview --samples --language de',
  )
    .argument('[sink]', 'name of the sink in the configuration; without it the built-in texts')
    .option('--alert <id>', 'only this alert, by its alert_id or its first digits')
    .option('--last <n>', 'how many alerts, the newest', numeric(1, 1000), 3)
    .option('--samples', 'samples instead of alerts: needs no database')
    .addOption(
      new Option('--language <language>', 'instead of that of the sink').choices([...LANGUAGE_NAMES]),
    )
    .option(...configOption)
    .option(...jsonOption)
    .action(cli.action((name: string | undefined, options: Options) => preview(cli, name, options)));

interface Wanted {
  readonly sink: SinkConfig | undefined;
  readonly language: LanguageName;
  readonly timezone: string;
  readonly namesZone: boolean | undefined;
}

async function preview(cli: Cli, name: string | undefined, options: Options): Promise<ExitCode> {
  if (options.alert !== undefined && !isAlertId(options.alert))
    throw usage('--alert: expected an alert_id or its first digits');
  const config = configInForce(loadConfig({ file: options.config, env: cli.env }).config);
  const sink = name === undefined ? undefined : sinkCalled(config, name);
  const defaults = textDefaults(config);
  const wanted: Wanted = {
    sink,
    language: options.language ?? sink?.language ?? defaults.language,
    timezone: sink?.timezone ?? defaults.timezone,
    namesZone: sink?.timezone === undefined && defaults.namesZone,
  };
  const shown = options.samples === true ? [] : await fromDatabase(cli, config, wanted, options);
  if (shown.length > 0) shown.forEach((each) => show(cli, each, options));
  else {
    if (options.samples !== true) cli.stderr.write('fieldwatch: no alerts yet; these are samples\n');
    const nowMs = Date.now();
    for (const sample of sampleNotifications(nowMs))
      show(cli, textOf(sample, wanted, contextOf(wanted, nowMs)), options);
  }
  return 0;
}

const contextOf = (
  { language, timezone, namesZone }: Wanted,
  nowMs: number,
  units?: ReadonlyMap<string, string>,
): TextContext => ({
  language: LANGUAGES[language],
  timezone,
  namesZone,
  nowMs,
  unitOf: (metric) => units?.get(metric),
});

async function fromDatabase(
  cli: Cli,
  config: Config,
  wanted: Wanted,
  { alert, last }: Options,
): Promise<readonly Shown[]> {
  const read = async (db: Db): Promise<readonly Shown[]> => {
    const units = await metricUnits(db);
    const shown: Shown[] = [];
    const chosen = alert === undefined ? await lastEpisodes(db, last) : [await wholeAlertId(db, alert)];
    for (const alertId of chosen) {
      const all = await pastNotifications(db, alertId);
      if (all.length === 0 && alert !== undefined) throw unknownAlert(alert);
      const unsent = unsentOf(all);
      const outcomeOf = outcomeAt(await pastDeliveries(db, alertId), wanted.sink?.name);
      const ofAlert = [...(await escalationsOf(db, alertId, all, wanted, units))];
      for (const each of all) {
        // As if it had been sent at the moment that it is about.
        const recent = await recentOf(db, each, each.eventTimeMs);
        const text = textOf({ ...each, recent }, wanted, contextOf(wanted, each.eventTimeMs, units));
        ofAlert.push({ ...text, suppressed: unsent(each), outcome: outcomeOf(each) });
      }
      shown.push(...ofAlert.sort((a, b) => a.at.getTime() - b.at.getTime()));
    }
    return shown;
  };
  return withDatabase(cli, config, read, { readsOnly: true });
}

/** Where an alert was not acknowledged in time: what the next sink was sent, as it was sent. */
async function escalationsOf(
  db: Db,
  alertId: string,
  all: readonly PastNotification[],
  wanted: Wanted,
  units: ReadonlyMap<string, string>,
): Promise<readonly Shown[]> {
  const shown: Shown[] = [];
  for (const escalation of await pastEscalations(db, alertId)) {
    const { sink, sentAtMs } = escalation;
    const sent = escalated(escalation, all);
    if (sent === undefined || (wanted.sink !== undefined && wanted.sink.name !== sink)) continue;
    const recent = await recentOf(db, sent, sentAtMs);
    const text = textOf({ ...sent, recent }, wanted, contextOf(wanted, sentAtMs, units));
    shown.push({
      ...text,
      outcome: 'sent',
      heading: `${text.heading}${wanted.sink === undefined ? ` -> ${sink}` : ''}, escalation`,
    });
  }
  return shown;
}

interface Shown {
  readonly alertId: string;
  readonly seq: number;
  readonly event: string;
  readonly at: Date;
  /** Why it was not sent; null: it was. */
  readonly suppressed: string | null;
  /** Its outcome at the sink: `none` if it was not for it; null: not known. */
  readonly outcome: string | null;
  readonly title: string;
  readonly body: string;
  readonly heading: string;
}

/** The heading has the moment of the sending. */
function textOf(notification: OutgoingNotification, { sink }: Wanted, context: TextContext): Shown {
  const delivery = { notifications: [notification], total: 1 };
  const texts = sink !== undefined && 'title' in sink ? textsOf(sink) : {};
  const { alertId, seq, event } = notification;
  const { nowMs } = context;
  const time = localTime(nowMs, Date.now(), clockOf(context), { seconds: true });
  return {
    ...{ alertId, seq, event, at: new Date(nowMs), suppressed: null, outcome: null },
    title: titleOf(delivery, texts, context),
    body: bodyOf(delivery, texts, context),
    heading: `${time} ${event}${sink === undefined ? '' : ` -> ${sink.name} (${sink.kind})`}`,
  };
}

/** Why it was not sent; null: it was, or it is not known. */
export function unsentWords({ suppressed, outcome }: Pick<Shown, 'suppressed' | 'outcome'>): string | null {
  if (suppressed !== null) return explainedSuppression(suppressed);
  if (outcome === null || outcome === 'sent') return null;
  if (outcome === 'none') return 'no route has it for this sink';
  return outcomeWords({ outcome: outcome === 'waits' ? null : outcome, heldUntil: null });
}

function show(cli: Cli, { heading, ...shown }: Shown, { json }: Options): void {
  const why = unsentWords(shown);
  const note = why === null ? '' : `, not sent: ${why}`;
  if (json === true) print(cli, jsonLine(shown));
  else
    print(
      cli,
      `--- ${heading}${note}\n${[shown.title, ...shown.body.split('\n')].map(plainText).join('\n')}\n`,
    );
}

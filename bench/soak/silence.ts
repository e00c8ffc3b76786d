import { pause } from '../../test/support/eventually.ts';
import { listEpisodes } from '../../src/queries/alert-episodes.ts';
import { SilenceStage, type Standing } from './silence-stage.ts';
import type { SoakDeps } from './stage.ts';
import type { Line } from './verdict.ts';

const MB = 1024 ** 2;
const POLL_EVERY_MS = 500;
const PATIENCE_S = 900;
/** A notification half a minute after the first alert and one for each interval of its group (5 m), a line at once and one for each minute. */
const CALLS_EVERY_S = 300;
const LINES_EVERY_S = 60;

/** Figures of one storm, or one return. */
interface Storm {
  readonly seconds: number;
  readonly rssBytes: number;
  readonly lines: number;
  readonly calls: number;
  /** Alerts that the sink did not get by its end, or got twice. */
  readonly undelivered: number;
  readonly twice: number;
}

type Status = 'firing' | 'resolved';

/** All sensors are silent after an outage of the broker, come back, and are silent again while the daemon is killed. */
export async function soakSilence(deps: SoakDeps): Promise<readonly Line[]> {
  const { options, progress, signal } = deps;
  const { sensors } = options;
  const stage = await SilenceStage.set(deps);
  const startMs = await stage.start();
  progress('the broker is away');
  stage.link.refuse();
  stage.link.cut();
  await pause((options.seconds + 5) * 1000, signal);
  const away = { ...(await stage.standing()), lines: (await stage.look(0)).awayLines };
  stage.link.resume();
  progress('the broker is back, and all sensors stay silent');
  const allOpen = ({ open, waiting }: Standing) => open === sensors && waiting === 0;
  const silent = await storm(deps, stage, { status: 'firing', phase: 1, over: allOpen, delivered: sensors });
  const listed = await listMs(stage, sensors);
  progress('all of them are back');
  const publishing = stage.publishAll();
  // Where that takes longer than `no_data_after`, the first of them are silent again meanwhile.
  const allClosed = ({ resolved }: Standing) => resolved >= sensors;
  const back = await storm(deps, stage, {
    status: 'resolved',
    phase: 2,
    over: allClosed,
    delivered: sensors,
  });
  await publishing;
  progress('silent again; the daemon is killed in the middle of it');
  let killed = false;
  const again = await storm(deps, stage, {
    status: 'firing',
    phase: 3,
    over: allOpen,
    delivered: 2 * sensors,
    meanwhile: async ({ open }) => {
      if (killed || open < sensors / 4) return;
      killed = true;
      await stage.kill();
      await stage.start();
    },
  });
  const { rows } = await stage.standing();
  await stage.stop();
  return [
    { what: 'start with all sensors', value: startMs / 1000, unit: 's' },
    { what: 'alerts while the broker was away', value: away.rows, unit: '', limit: 0 },
    { what: 'lines that say that it is away', value: away.lines, unit: '', limit: 1 },
    ...linesOf('silence', silent, options.maxRssMb),
    { what: 'alerts list --open, 100 of all', value: listed.few, unit: 'ms' },
    { what: 'alerts list --open, all', value: listed.all, unit: 'ms' },
    ...linesOf('return', back, options.maxRssMb),
    // The call that was under way when it was killed may have been made twice.
    ...linesOf('silence with SIGKILL', again, options.maxRssMb, sensors),
    { what: 'rows of two silences, too many or too few', value: Math.abs(rows - 2 * sensors), unit: '', limit: 0 }, // prettier-ignore
  ];
}

/** From the first alert to the last, and until the sink has all. */
async function storm(
  { signal }: SoakDeps,
  stage: SilenceStage,
  {
    status,
    phase,
    delivered,
    over,
    meanwhile,
  }: {
    readonly status: Status;
    readonly phase: number;
    /** Alerts that the sink has by then, since the start. */
    readonly delivered: number;
    readonly over: (standing: Standing) => boolean;
    readonly meanwhile?: (standing: Standing) => Promise<void>;
  },
): Promise<Storm> {
  const first = await stage.standing();
  const before = stage.delivered(status);
  const linesBefore = (await stage.look(phase)).groupLines;
  let [startedMs, rssBytes, lines] = [NaN, 0, 0];
  const deadlineMs = performance.now() + PATIENCE_S * 1000;
  for (;;) {
    const standing = await stage.standing();
    if (Number.isNaN(startedMs) && standing.open !== first.open) startedMs = performance.now();
    await meanwhile?.(standing);
    const look = await stage.look(phase);
    rssBytes = Math.max(rssBytes, look.rssBytes);
    lines = look.groupLines;
    if (over(standing) && stage.delivered(status).alerts >= delivered) break;
    if (performance.now() > deadlineMs || signal.aborted) break;
    await pause(POLL_EVERY_MS, signal);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  // Remaining lines and calls follow soon after the last alert.
  await pause(12_000, signal);
  lines = (await stage.look(phase)).groupLines;
  const after = stage.delivered(status);
  return {
    seconds,
    rssBytes,
    lines: lines >= linesBefore ? lines - linesBefore : lines,
    calls: after.calls - before.calls,
    undelivered: Math.max(0, delivered - after.alerts),
    twice: Math.max(0, after.alerts - delivered),
  };
}

function linesOf(name: string, it: Storm, maxRssMb: number, twice = 0): readonly Line[] {
  const most = (everyS: number, first: number) => first + Math.floor(it.seconds / everyS);
  return [
    { what: `${name}: until all is committed and delivered`, value: it.seconds, unit: 's' },
    { what: `${name}: calls of the sink`, value: it.calls, unit: '', limit: most(CALLS_EVERY_S, 2) },
    { what: `${name}: alerts that the sink did not get`, value: it.undelivered, unit: '', limit: 0 }, // prettier-ignore
    { what: `${name}: alerts that it got twice`, value: it.twice, unit: '', limit: twice }, // prettier-ignore
    { what: `${name}: lines of the log`, value: it.lines, unit: '', limit: most(LINES_EVERY_S, 4) },
    { what: `${name}: memory (RSS, most)`, value: it.rssBytes / MB, unit: 'MB', limit: maxRssMb },
  ];
}

async function listMs({ pool }: SilenceStage, sensors: number): Promise<{ few: number; all: number }> {
  const timed = async (limit: number) => {
    const startedMs = performance.now();
    await listEpisodes(pool, { state: 'open', limit });
    return performance.now() - startedMs;
  };
  return { few: await timed(100), all: await timed(sensors) };
}

import { otherSections } from '../../core/alert/cluster/group-configuration.ts';
import { formatDuration } from '../../core/duration.ts';
import type { ShareGroupStatus } from '../../queries/status.ts';
import { type Diagnosis, areaOf } from './report.ts';

const alerts = areaOf('alerts');

/** Handed-over readings are evaluated within a second; an owner that needs longer than this does not keep up. */
const LATE_MS = 60_000;

/** The sections of the configuration that not all members have alike. */
function differingSections(members: ShareGroupStatus['members']): readonly string[] {
  const [first, ...others] = members
    .map(({ configuration }) => configuration)
    .filter((each) => each !== null);
  if (first === undefined) return [];
  return [...new Set(others.flatMap((other) => otherSections(first, other)))].sort();
}

/** Share group: which members evaluate its alerts, and whether they read the readings that are handed over. */
export function checkShareGroup(group: string, status: ShareGroupStatus, nowMs: number): Diagnosis {
  const { members, away, unowned, waiting, oldestAt } = status;
  const subject = `group ${group}`;
  const queue = waiting === 0 ? 'nothing is being handed over' : `${waiting} readings are being handed over`;
  if (members.length === 0 || unowned > 0)
    return alerts.warning({
      subject,
      detail: `${members.length === 0 ? 'no member of the share group is there' : `${unowned} shards have no owner`}; ${queue}`,
      remedy: 'start a daemon of the group; after a crash the others take its shards over within 15 seconds',
    });
  const owners = members.map(({ member, shards }) => `${member} evaluates ${shards} shards`).join(', ');
  const detail = `${owners}; ${queue}`;
  if (oldestAt !== null && nowMs - oldestAt.getTime() >= LATE_MS)
    return alerts.warning({
      subject,
      detail: `${detail}, the oldest since ${oldestAt.toISOString()}`,
      remedy: 'look at the logs of these daemons: one of them cannot keep up, or cannot write',
    });
  const sections = differingSections(members);
  if (sections.length > 0)
    return alerts.warning({
      subject,
      detail: `${detail}; the members have different ${sections.join(', ')}`,
      remedy:
        'give all members the same configuration and reload or restart them: alerts depend on which of them evaluates',
    });
  if (away.length === 0) return alerts.ok(subject, detail);
  const gone = away
    .map((each) => `${each.member} has been away for ${formatDuration(Math.round(each.seconds) * 1000)}`)
    .join(', ');
  return alerts.warning({
    subject,
    detail: `${detail}; ${gone}`,
    remedy:
      'start it with the same mqtt.client_id: the broker may keep messages in its session, and its spool may hold readings; if it is gone for good, end its session at the broker',
  });
}

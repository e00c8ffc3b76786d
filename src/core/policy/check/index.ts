import type { PolicyCheck } from '../check.ts';
import { auditCheck } from './audit.ts';
import { chunksCheck } from './chunks.ts';
import { collationCheck } from './collation.ts';
import { columnstoreCheck } from './columnstore.ts';
import { compressionCheck } from './compression.ts';
import { dataLossRiskCheck } from './data-loss-risk.ts';
import { definitionsCheck } from './definitions.ts';
import { diskCheck } from './disk.ts';
import { durabilityCheck } from './durability.ts';
import { eventTriggersCheck } from './event-triggers.ts';
import { foreignJobsCheck } from './foreign-jobs.ts';
import { foreignKeysCheck } from './foreign-keys.ts';
import { gapsCheck } from './gaps.ts';
import { historyCheck } from './history.ts';
import { lateCheck } from './late.ts';
import { overloadsCheck } from './overloads.ts';
import { policiesCheck } from './policies.ts';
import { preparedCheck } from './prepared.ts';
import { publicationsCheck } from './publications.ts';
import { readOnlyCheck } from './read-only.ts';
import { refreshCheck } from './refresh.ts';
import { relationsCheck } from './relations.ts';
import { retentionCheck } from './retention.ts';
import { rightsCheck } from './rights.ts';
import { rootRowsCheck } from './root-rows.ts';
import { runsCheck } from './runs.ts';
import { segmentsCheck } from './segments.ts';
import { sensorsCheck } from './sensors.ts';
import { sequencesCheck } from './sequences.ts';
import { serverCheck } from './server.ts';
import { settingsCheck } from './settings.ts';
import { slotsCheck } from './slots.ts';
import { timesCheck } from './times.ts';
import { withheldCheck } from './withheld.ts';

/** Every check, in the order of reports: causes before their effects. A new check is one file and one line. */
export const CHECKS: readonly PolicyCheck[] = [
  serverCheck,
  rightsCheck,
  readOnlyCheck,
  durabilityCheck,
  settingsCheck,
  overloadsCheck,
  relationsCheck,
  rootRowsCheck,
  withheldCheck,
  eventTriggersCheck,
  publicationsCheck,
  preparedCheck,
  collationCheck,
  definitionsCheck,
  foreignKeysCheck,
  sequencesCheck,
  sensorsCheck,
  dataLossRiskCheck,
  foreignJobsCheck,
  policiesCheck,
  runsCheck,
  retentionCheck,
  timesCheck,
  compressionCheck,
  refreshCheck,
  lateCheck,
  auditCheck,
  gapsCheck,
  historyCheck,
  columnstoreCheck,
  chunksCheck,
  segmentsCheck,
  diskCheck,
  slotsCheck,
];

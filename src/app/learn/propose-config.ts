import { inflate } from '../../adapters/system/inflate.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema/index.ts';
import type { PlainObject } from '../../config/walk.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Gathering } from '../../learn/gathering.ts';
import { learn } from '../../learn/index.ts';
import type { Learned } from '../../learn/learned.ts';
import { learnedYaml } from './learn-yaml.ts';

export interface ProposalOptions {
  readonly config: Pick<Config, 'limits' | 'time_window'>;
  /** How the broker was reached, as the configuration says it. */
  readonly mqtt: PlainObject | undefined;
  /** With the rules that are proposed. */
  readonly alerts: boolean;
}

export interface Proposal {
  readonly learned: Learned;
  readonly yaml: string;
}

/** A configuration that stores the messages, with what was learnt of them. */
export function proposeConfig(gathering: Gathering, { config, mqtt, alerts }: ProposalOptions): Proposal {
  const { limits, time_window: timeWindow } = config;
  const { timeZone: timezone } = new Intl.DateTimeFormat().resolvedOptions();
  const learned = learn(gathering, { limits, timeWindow, inflate, timezone });
  const yaml = learnedYaml(learned, { mqtt, alerts });
  verify(yaml);
  return { learned, yaml };
}

/** Checks that the output is a valid configuration, whatever the topics contained. Files that it names are not read. */
function verify(yaml: string): void {
  try {
    loadConfig({ text: yaml, file: 'learnt', env: {}, readFile: () => '-' });
  } catch (cause) {
    throw new FieldwatchError(`what was learnt is no valid configuration:\n${yaml}`, {
      code: 'LEARN_INVALID',
      kind: 'bug',
      remedy: 'please report it, with the capture if you can',
      cause,
    });
  }
}

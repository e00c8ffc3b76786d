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

/** What was learnt from messages, and a configuration that stores them. */
export function proposeConfig(gathering: Gathering, { config, mqtt, alerts }: ProposalOptions): Proposal {
  const { limits, time_window: timeWindow } = config;
  const { timeZone: timezone } = new Intl.DateTimeFormat().resolvedOptions();
  const learned = learn(gathering, { limits, timeWindow, inflate, timezone });
  const yaml = learnedYaml(learned, { mqtt, alerts });
  verify(yaml);
  return { learned, yaml };
}

/** How the broker was reached, as the configuration says it; never a password. */
export function brokerSection({
  url,
  protocol,
  username,
  password_file,
  tls,
}: Config['mqtt']): PlainObject | undefined {
  if (url === undefined) return undefined;
  const { ca_file, cert_file, key_file, servername } = tls;
  const files = Object.fromEntries(
    Object.entries({ ca_file, cert_file, key_file, servername }).filter(([, value]) => value !== undefined),
  );
  return {
    url,
    ...(protocol === '5.0' ? {} : { protocol }),
    ...(username === undefined ? {} : { username }),
    ...(password_file === undefined ? {} : { password_file }),
    ...(Object.keys(files).length === 0 ? {} : { tls: files }),
  };
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

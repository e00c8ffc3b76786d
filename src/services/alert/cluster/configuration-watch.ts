import {
  type ConfigurationDifference,
  differences,
  DIFFERENT_AFTER_MS,
} from '../../../core/alert/cluster/group-configuration.ts';
import type { SectionDigests } from '../../../core/alert/cluster/shard.ts';
import type { GroupView } from '../../../core/alert/cluster/shard-lease.ts';
import type { Logger, Metrics } from '../../../ports/metrics.ts';

export interface ConfigurationWatchDeps {
  readonly group: string;
  readonly member: string;
  readonly own: () => SectionDigests;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Warns, once, of members of the share group that have been configured differently for a minute, and says when that is over. */
export class ConfigurationWatch {
  readonly #deps: ConfigurationWatchDeps;
  readonly #different;
  #found: readonly ConfigurationDifference[] = [];
  /** Last logged: member and sections. */
  #logged = '';

  constructor(deps: ConfigurationWatchDeps) {
    this.#deps = deps;
    this.#different = deps.metrics.gauge(
      'fieldwatch_share_members_different',
      'Members of the share group whose routes, sensors or alert rules have differed from those of this one for a minute',
    );
    this.#different.set(0);
  }

  /** After each read of the rows of the group. */
  check(view: GroupView): void {
    const { group, member, own, logger } = this.#deps;
    this.#found = differences(member, own(), view, this.#found);
    const lasting = this.#found.filter(({ sinceMs }) => view.nowMs - sinceMs >= DIFFERENT_AFTER_MS);
    this.#different.set(lasting.length);
    const different = lasting.map(({ member: id, sections }) => ({ member: id, sections }));
    const text = JSON.stringify(different);
    if (text === this.#logged) return;
    if (different.length > 0)
      logger.warn(
        {
          ...{ group, different },
          remedy:
            'Give all members the same routes, sensors and alert rules, and reload or restart those that lack them.',
        },
        'members of the share group are configured differently, alerts depend on which of them evaluates',
      );
    else if (this.#logged !== '')
      logger.info({ group }, 'members of the share group are configured alike again');
    this.#logged = different.length === 0 ? '' : text;
  }
}

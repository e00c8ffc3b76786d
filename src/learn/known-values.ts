import type { Observed } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import type { GenericRoute } from './generic-topics.ts';
import { groupedBy } from '../core/grouped.ts';

/** A program that publishes each value in an object of its own, at a depth that varies. */
interface ValueTree {
  /** The levels before the metric, as the route has them; undefined: the topic is not of this program. */
  readonly routeOf: (message: Observed) => RouteConfig | undefined;
}

const hasValue = ({ document }: Observed): boolean =>
  document !== undefined && Object.hasOwn(document, 'value');

/** Venus OS (dbus-mqtt): the path behind the instance is the metric, however deep; `value` may be null for a while. */
const victron: ValueTree = {
  routeOf: (message) =>
    /^N\/[^/]+\/[a-z]+\/\d+\/./.test(message.topic) && hasValue(message)
      ? {
          topic: 'N/{portal}/{service}/{instance}/{metric...}',
          codec: 'json',
          device: '{portal}/{service}/{instance}',
          ignore: ['N/+/keepalive', 'N/+/heartbeat', 'N/+/full_publish_completed'],
        }
      : undefined,
};

/** The number of a command class and of an endpoint, where topics are made of value ids but nodes have names. */
const byNumbers = (levels: readonly string[]): number =>
  levels.findIndex(
    (level, at) =>
      at >= 2 && /^\d{2,3}$/.test(level) && Number(level) >= 0x20 && /^\d{1,3}$/.test(levels[at + 1] ?? ''),
  );

/** zwave-js-ui, by names or by ids: <prefix>/[<location>/]<node>/<class>/<endpoint>/<property>[/<key>]. */
const zwave: ValueTree = {
  routeOf: (message) => {
    const { levels, document } = message;
    const named = levels.findIndex((level) => /^endpoint_\d+$/.test(level));
    const byId = levels.findIndex((level) => /^nodeID_\d+$/.test(level));
    const classAt = named >= 0 ? named - 1 : byId >= 0 ? byId + 1 : byNumbers(levels);
    if (classAt < 2 || classAt > 3 || classAt + 2 > levels.length - 1 || !hasValue(message)) return undefined;
    if (document === undefined || !Object.hasOwn(document, 'time')) return undefined;
    const [prefix = ''] = levels;
    const nodes = classAt === 3 ? ['{location}', '{device}'] : ['{device}'];
    const any = nodes.map(() => '+').join('/');
    return {
      topic: [prefix, ...nodes, '{metric...}'].join('/'),
      codec: 'json',
      ...(classAt === 3 ? { device: '{location}/{device}' } : {}),
      ignore: [
        ...['status', 'lastActive', 'nodeinfo', 'hass_devices'].map((name) => `${prefix}/${any}/${name}`),
        `${prefix}/_CLIENTS/#`,
        `${prefix}/_EVENTS/#`,
      ],
    };
  },
};

const TREES: readonly ValueTree[] = [victron, zwave];

/** Routes of the programs whose values lie at a depth that varies, and the messages that belong to no such program. */
export function knownValueRoutes(messages: readonly Observed[]): {
  readonly routes: readonly GenericRoute[];
  readonly rest: readonly Observed[];
} {
  const routeOf = (message: Observed): string | undefined => {
    for (const tree of TREES) {
      const route = tree.routeOf(message);
      if (route !== undefined) return JSON.stringify(route);
    }
    return undefined;
  };
  const byRoute = groupedBy(messages, routeOf);
  const found = [...byRoute.keys()].flatMap((text) =>
    text === undefined ? [] : [JSON.parse(text) as RouteConfig],
  );
  const isOfKnownTree = (topic: string): boolean =>
    found.some((route) => topic.split('/')[0] === String(route.topic).split('/')[0]);
  return {
    routes: found.map((route) => ({ route, localTimes: [] })),
    rest: (byRoute.get(undefined) ?? []).filter(({ topic }) => !isOfKnownTree(topic)),
  };
}

import type { SparkplugMetric } from './sparkplug-wire.ts';
import { NAMELESS } from './tree.ts';

const MAX_NODES = 10_000;
const MAX_METRICS_PER_NODE = 50_000;
/** Metrics of all nodes and their devices together: some 100 MB. */
const MAX_METRICS = 500_000;
/** Longer names of metrics and addresses of devices are not retained. */
const MAX_NAME_CHARS = 256;
const MAX_ADDRESS_CHARS = 512;

export interface KnownMetric {
  readonly name: string;
  readonly datatype: number | undefined;
}

/** The content of one birth. */
interface Birth {
  readonly names: ReadonlyMap<string, KnownMetric>;
  readonly aliases: readonly string[];
}

/** The births of one edge node. Aliases are unique per edge node, names per device (section 6.4.6). */
class NodeState {
  private readonly byAlias = new Map<string, KnownMetric & { readonly device: string }>();
  private readonly births = new Map<string, Birth>();
  /** Metrics and devices that are remembered. */
  size = 0;
  lastRebirthMs = -Infinity;
  /** The session that the node's birth began. */
  bdSeq: string | undefined;

  birth(device: string, metrics: readonly SparkplugMetric[]): void {
    this.forget(device);
    if (device.length > MAX_ADDRESS_CHARS || this.size >= MAX_METRICS_PER_NODE) return;
    const names = new Map<string, KnownMetric>();
    const aliases: string[] = [];
    this.size++;
    for (const { name, alias, datatype } of metrics) {
      if (name === undefined || this.size >= MAX_METRICS_PER_NODE) continue;
      const known = { name: name.length > MAX_NAME_CHARS ? NAMELESS : name, datatype, device };
      if (!names.has(known.name)) this.size++;
      names.set(known.name, known);
      if (alias === undefined) continue;
      if (this.byAlias.get(alias)?.device !== device) aliases.push(alias);
      this.byAlias.set(alias, known);
    }
    this.births.set(device, { names, aliases });
  }

  private forget(device: string): void {
    const birth = this.births.get(device);
    if (birth === undefined) return;
    this.births.delete(device);
    this.size -= birth.names.size + 1;
    // Its own alone: one birth of many costs no more for the metrics of the others.
    for (const alias of birth.aliases)
      if (this.byAlias.get(alias)?.device === device) this.byAlias.delete(alias);
  }

  byAliasOf(alias: string): KnownMetric | undefined {
    return this.byAlias.get(alias);
  }

  datatypeOf(device: string, name: string): number | undefined {
    return this.births.get(device)?.names.get(name)?.datatype;
  }
}

/**
 * The births received from all edge nodes. Bounded: with too many nodes the oldest is evicted, with too many metrics
 * the node that has most.
 */
export class SparkplugState {
  private readonly nodes = new Map<string, NodeState>();
  /** Metrics and devices of all nodes. */
  size = 0;

  node(key: string): NodeState | undefined {
    return this.nodes.get(key);
  }

  /**
   * The birth of a node, or of a device of it. A node's own ends all that was known of it: its devices are born again, with
   * new aliases. A device's may come first after a restart.
   */
  birth(key: string, device: string, metrics: readonly SparkplugMetric[]): NodeState {
    if (device === '') this.remove(key);
    const node = this.nodeOrNew(key);
    const before = node.size;
    node.birth(device, metrics);
    // An address that is too long is not retained.
    if (this.nodes.has(key)) this.size += node.size - before;
    while (this.size > MAX_METRICS) this.removeLargest();
    return node;
  }

  /** The node, known or not. */
  nodeOrNew(key: string): NodeState {
    const known = this.nodes.get(key);
    if (known !== undefined) return known;
    const state = new NodeState();
    if (key.length > MAX_ADDRESS_CHARS) return state;
    if (this.nodes.size >= MAX_NODES) {
      const [oldest] = this.nodes.keys();
      if (oldest !== undefined) this.remove(oldest);
    }
    this.nodes.set(key, state);
    return state;
  }

  private removeLargest(): void {
    let largest = '';
    for (const [key, { size }] of this.nodes) if (size > (this.nodes.get(largest)?.size ?? -1)) largest = key;
    this.remove(largest);
  }

  private remove(key: string): void {
    this.size -= this.nodes.get(key)?.size ?? 0;
    this.nodes.delete(key);
  }
}

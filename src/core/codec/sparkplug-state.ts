import type { SparkplugMetric } from './sparkplug-wire.ts';

const MAX_NODES = 10_000;
const MAX_METRICS_PER_NODE = 50_000;

export interface KnownMetric {
  readonly name: string;
  readonly datatype: number | undefined;
}

/** What the births of one edge node said. Aliases are unique per edge node, names per device (section 6.4.6). */
class NodeState {
  private readonly byAlias = new Map<string, KnownMetric & { readonly device: string }>();
  private readonly byName = new Map<string, Map<string, KnownMetric>>();
  private count = 0;
  lastRebirthMs = -Infinity;
  /** The session that the node's birth began. */
  bdSeq: string | undefined;

  birth(device: string, metrics: readonly SparkplugMetric[]): void {
    this.forget(device);
    const names = new Map<string, KnownMetric>();
    this.byName.set(device, names);
    for (const { name, alias, datatype } of metrics) {
      if (name === undefined || this.count >= MAX_METRICS_PER_NODE) continue;
      this.count++;
      const known = { name, datatype, device };
      names.set(name, known);
      if (alias !== undefined) this.byAlias.set(alias, known);
    }
  }

  private forget(device: string): void {
    this.count -= this.byName.get(device)?.size ?? 0;
    this.byName.delete(device);
    for (const [alias, known] of this.byAlias) if (known.device === device) this.byAlias.delete(alias);
  }

  byAliasOf(alias: string): KnownMetric | undefined {
    return this.byAlias.get(alias);
  }

  datatypeOf(device: string, name: string): number | undefined {
    return this.byName.get(device)?.get(name)?.datatype;
  }
}

/** The births of all edge nodes that were heard of. Bounded: the node heard of first is forgotten first. */
export class SparkplugState {
  private readonly nodes = new Map<string, NodeState>();

  node(key: string): NodeState | undefined {
    return this.nodes.get(key);
  }

  /** A node's own birth ends all that was known of it: its devices are born again, with new aliases. */
  nodeBirth(key: string): NodeState {
    const state = new NodeState();
    this.nodes.delete(key);
    this.add(key, state);
    return state;
  }

  /** The node, known or not: a device's birth may come first after a restart. */
  nodeOrNew(key: string): NodeState {
    const known = this.nodes.get(key);
    if (known !== undefined) return known;
    const state = new NodeState();
    this.add(key, state);
    return state;
  }

  private add(key: string, state: NodeState): void {
    if (this.nodes.size >= MAX_NODES) {
      const [oldest] = this.nodes.keys();
      if (oldest !== undefined) this.nodes.delete(oldest);
    }
    this.nodes.set(key, state);
  }
}

export type { NodeState };

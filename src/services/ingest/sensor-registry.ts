import { globMatches } from '../../core/glob.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { NewDevice, Sensor, SensorChanges, SensorStore } from '../../ports/sensors.ts';
import { LogBudgets } from '../../lib/log-budget.ts';
import type { Clock } from '../../ports/time.ts';
import { SensorMoves } from './sensor-moves.ts';

export interface RegistryOptions {
  /** `auto`: an unknown device becomes a sensor. `reject`: its messages become dead letters. */
  readonly registration: 'auto' | 'reject';
  /** Patterns (`globMatches`) of keys that may register themselves. Empty: none may. */
  readonly allow: readonly string[];
  /** How many devices may register themselves a minute: a flood of random names must not fill the database. */
  readonly maxNewPerMinute: number;
  /** The total limit of sensors; manually registered or declared ones count, and are never refused. */
  readonly max: number;
}

/** Why a device is no sensor: the reason of its dead letters. */
export type Refusal = 'sensor_rejected' | 'sensor_limit' | 'sensors_full';

const MINUTE_MS = 60_000;

/** Device keys to sensors: known ones from memory, new ones by one INSERT for a whole batch. */
export class SensorRegistry {
  private readonly byKey = new Map<string, Sensor>();
  private readonly byId = new Map<number, Sensor>();
  /** Keys of sensors by their gateway. */
  private readonly byGateway = new Map<string, Set<string>>();
  /** Keys by the device that they are parts of. */
  private parts: Map<string, string[]> | undefined;
  private readonly directory: SensorStore;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private options: RegistryOptions;
  /** Sensors have got a location or a gateway, or gateways are new (`undefined`): rules apply to them accordingly. */
  onPlaced: ((placed: readonly Sensor[] | undefined) => void) | undefined;
  private readonly moves = new SensorMoves();
  private readonly conflicts: LogBudgets<number>;
  private windowStartMs = -Infinity;
  private newInWindow = 0;
  private changes: SensorChanges = { seq: 0, forgotten: new Map() };
  private readonly registered;
  private readonly unregistered;

  constructor(
    options: RegistryOptions,
    deps: { directory: SensorStore; clock: Clock; logger: Logger; metrics: Metrics },
  ) {
    this.options = options;
    this.directory = deps.directory;
    this.clock = deps.clock;
    this.logger = deps.logger;
    this.conflicts = new LogBudgets(deps.clock);
    this.registered = deps.metrics.counter(
      'fieldwatch_sensors_registered_total',
      'Sensors registered automatically',
    );
    this.unregistered = deps.metrics.counter(
      'fieldwatch_availability_unregistered_total',
      'Availability messages of unregistered devices',
    );
    const known = deps.metrics.gauge('fieldwatch_sensors', 'Sensors known to this daemon');
    const limit = deps.metrics.gauge('fieldwatch_sensors_limit', 'Limit of sensors');
    deps.metrics.onCollect(() => {
      known.set(this.byId.size);
      limit.set(this.options.max);
    });
  }

  /** Reads all registered sensors; again after a reload, for changed names, types, locations and tags. */
  async load(): Promise<void> {
    const changes = await this.directory.loadChanges();
    const sensors = await this.directory.loadAll();
    if (changes.seq !== this.changes.seq) {
      this.byKey.clear();
      this.byId.clear();
      this.byGateway.clear();
      this.parts = undefined;
    }
    this.changes = changes;
    this.adopt(sensors);
  }

  /** The sensor change counter of this registry. */
  get sensorSeq(): number {
    return this.changes.seq;
  }

  /** Ids that were deleted, and where their readings went. */
  get forgotten(): SensorChanges['forgotten'] {
    return this.changes.forgotten;
  }

  reconfigure(options: RegistryOptions): void {
    this.options = options;
  }

  /** A device refused only for the limit may register in a minute. */
  get admitsLater(): boolean {
    return this.options.maxNewPerMinute > 0 && this.byId.size < this.options.max;
  }

  find(key: string): Sensor | undefined {
    return this.byKey.get(key);
  }

  findById(id: number): Sensor | undefined {
    return this.byId.get(id);
  }

  /** The keys of the devices that are parts of one: `<key>/…` and `<key>:…`. */
  partsOf(key: string): readonly string[] {
    // Built on first use: most configurations never need it.
    if (this.parts === undefined) {
      this.parts = new Map();
      for (const part of this.byKey.keys()) addPart(this.parts, part);
    }
    return this.parts.get(key) ?? [];
  }

  /** The keys of the sensors that send through one. */
  behind(gateway: string): Iterable<string> {
    if (!this.hasGateways) return [];
    return this.byGateway.get(this.byKey.get(gateway)?.key ?? gateway) ?? [];
  }

  /** Any sensor has a gateway. */
  get hasGateways(): boolean {
    return this.byGateway.size > 0;
  }

  /** Something said whether a device is there that is no sensor. */
  noteUnregistered(key: string): void {
    this.unregistered.inc();
    this.logger.debug({ device: key }, 'availability message of an unregistered device');
  }

  get size(): number {
    return this.byId.size;
  }

  all(): Iterable<Sensor> {
    return this.byId.values();
  }

  /**
   * Registers what may be registered. Afterwards `find` knows every key that is not in the result.
   * Rejects when the database cannot be reached; calling again is safe.
   */
  async resolve(devices: Iterable<NewDevice>): Promise<ReadonlyMap<string, Refusal>> {
    const refused = new Map<string, Refusal>();
    const admitted: NewDevice[] = [];
    const unplaced: NewDevice[] = [];
    const returning: string[] = [];
    const moved: (NewDevice & { readonly from: Sensor['location'] })[] = [];
    let remaining = this.remaining();
    let total = this.options.max - this.byId.size;
    const gateways = new Set<string>();
    for (const device of this.withGateways(devices, gateways)) {
      const { key } = device;
      const known = this.byKey.get(key);
      if (known !== undefined) {
        if (isIncomplete(known, device)) unplaced.push(device);
        if (known.retired === 'until_seen') returning.push(key);
        if (this.follow(known, device)) moved.push({ ...device, key: known.key, from: known.location });
      } else if (!this.mayRegister(key)) refused.set(key, 'sensor_rejected');
      else if (total <= 0) refused.set(key, 'sensors_full');
      else if (remaining <= 0) refused.set(key, 'sensor_limit');
      else {
        total -= 1;
        remaining -= 1;
        admitted.push(device);
      }
    }
    if (returning.length > 0) await this.directory.unretire(returning);
    await this.place(unplaced);
    await this.move(moved);
    await this.resolveRefused(refused);
    if (admitted.length > 0) await this.register(admitted);
    // One that never sends anything itself is expected from now on.
    if (admitted.some(({ key }) => gateways.has(key))) this.onPlaced?.(undefined);
    return refused;
  }

  /** A gateway that is no sensor yet becomes one with the first that sends through it. */
  private *withGateways(devices: Iterable<NewDevice>, seen: Set<string>): Iterable<NewDevice> {
    for (const device of devices) {
      const { gateway } = device;
      // By its present key, after a rename or a merge.
      const known = gateway === undefined ? undefined : this.byKey.get(gateway);
      yield known === undefined ? device : { ...device, gateway: known.key };
      const hasOne = typeof this.byKey.get(device.key)?.gateway === 'string';
      if (gateway === undefined || known !== undefined || hasOne || seen.has(gateway)) continue;
      seen.add(gateway);
      if (this.mayRegister(gateway)) yield { key: gateway };
    }
  }

  private mayRegister(key: string): boolean {
    const { registration, allow } = this.options;
    return registration === 'auto' && allow.some((pattern) => globMatches(pattern, key));
  }

  /** Reads these again, which other daemons may have registered or located. */
  async learn(keys: readonly string[]): Promise<void> {
    await this.learned(await this.directory.find(keys));
  }

  /** `learn` for sensors known by their ids. */
  async learnIds(ids: readonly number[]): Promise<void> {
    await this.learned(await this.directory.findByIds(ids));
  }

  private async learned(found: readonly Sensor[]): Promise<void> {
    const unknown = new Set(
      found.flatMap(({ gateway }) => gateway ?? []).filter((key) => !this.byKey.has(key)),
    );
    const gateways = unknown.size === 0 ? [] : await this.directory.find([...unknown]);
    const placed = found.filter((sensor) => {
      const known = this.byKey.get(sensor.key);
      return (
        known !== undefined &&
        (isNew(known.location, sensor.location) || isNew(known.gateway, sensor.gateway))
      );
    });
    this.adopt([...found, ...gateways]);
    if (gateways.length > 0) this.onPlaced?.(undefined);
    else if (placed.length > 0) this.onPlaced?.(placed);
  }

  /** A sensor without a location or a gateway (for example declared without one) has those that its topic names. */
  private async place(devices: readonly NewDevice[]): Promise<void> {
    if (devices.length === 0) return;
    const placed = await this.directory.locate(devices);
    this.adopt(placed);
    if (placed.length > 0) this.onPlaced?.(placed);
  }

  /** True once a sensor has moved to the topic of another location. */
  private follow(known: Sensor, device: NewDevice): boolean {
    const move = this.moves.note(known, device, this.clock.monotonicMs());
    if (move === 'none') return false;
    // While it may be moving, a message from where it was shows that it has not.
    const isMoving = move === 'moving';
    if ((known.isMoving ?? false) !== isMoving) this.adopt([{ ...known, isMoving }]);
    const conflicts = move === 'back' ? this.conflicts.take(known.id) : undefined;
    if (conflicts !== undefined)
      this.logger.warn(
        { sensor: known.key, location: known.location },
        'sensor sends by topics of two locations, the former one stays',
      );
    return move === 'moved';
  }

  /** Rules apply accordingly once the change of sensors is noticed, which is with the next batch, in every daemon. */
  private async move(devices: readonly (NewDevice & { readonly from: Sensor['location'] })[]): Promise<void> {
    if (devices.length === 0) return;
    const moved = await this.directory.move(devices);
    this.adopt(moved);
    const before = new Map(devices.map(({ key, from }) => [key, from]));
    if (moved.length > 0)
      this.logger.info(
        {
          count: moved.length,
          sensors: moved
            .slice(0, 10)
            .map(({ key, location }) => ({ sensor: key, from: before.get(key) ?? null, to: location })),
        },
        'sensors moved to the location of their topic',
      );
  }

  /** A key that may not register itself may still be registered manually since the last load. */
  private async resolveRefused(refused: Map<string, Refusal>): Promise<void> {
    if (refused.size === 0) return;
    this.adopt(await this.directory.find([...refused.keys()]));
    for (const key of refused.keys()) if (this.byKey.has(key)) refused.delete(key);
  }

  private async register(devices: readonly NewDevice[]): Promise<void> {
    const sensors = await this.directory.register(devices);
    this.adopt(sensors);
    this.newInWindow += devices.length;
    this.registered.inc(devices.length);
    this.logger.info(
      { count: devices.length, keys: devices.slice(0, 10).map(({ key }) => key) },
      'sensors registered',
    );
  }

  private remaining(): number {
    const now = this.clock.monotonicMs();
    if (now - this.windowStartMs >= MINUTE_MS) {
      this.windowStartMs = now;
      this.newInWindow = 0;
    }
    return this.options.maxNewPerMinute - this.newInWindow;
  }

  private noteGateway(before: Sensor | undefined, { key, gateway }: Sensor): void {
    if (before?.gateway === gateway && before?.key === key) return;
    if (before !== undefined) this.byGateway.get(before.gateway ?? '')?.delete(before.key);
    if (typeof gateway !== 'string') return;
    const keys = this.byGateway.get(gateway);
    if (keys === undefined) this.byGateway.set(gateway, new Set([key]));
    else keys.add(key);
  }

  private adopt(sensors: readonly Sensor[]): void {
    for (const sensor of sensors) {
      this.noteGateway(this.byId.get(sensor.id), sensor);
      this.byId.set(sensor.id, sensor);
      for (const key of [sensor.key, ...(sensor.aliases ?? [])]) {
        if (this.parts !== undefined && !this.byKey.has(key)) addPart(this.parts, key);
        this.byKey.set(key, sensor);
      }
    }
  }
}

const isNew = (before: string | null | undefined, now: string | null | undefined): boolean =>
  (before ?? null) === null && (now ?? null) !== null;

const isIncomplete = (known: Sensor, { location, gateway }: NewDevice): boolean =>
  isNew(known.location, location) || isNew(known.gateway, gateway);

/** Under each key that it may be a part of. */
function addPart(parts: Map<string, string[]>, key: string): void {
  for (let at = 1; at < key.length; at++) {
    if (key[at] !== '/' && key[at] !== ':') continue;
    const whole = key.slice(0, at);
    const known = parts.get(whole);
    if (known === undefined) parts.set(whole, [key]);
    else known.push(key);
  }
}

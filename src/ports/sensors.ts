/** Registered devices. */

export interface Sensor {
  readonly id: number;
  /** The device's own name, as decoded. */
  readonly key: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  /** Further keys that lead to it, after a rename or a merge. */
  readonly aliases?: readonly string[] | null;
}

/** What operators did to sensors: renamed, merged, forgot. */
export interface SensorChanges {
  /** The newest of them, 0 without any. */
  readonly seq: number;
  /** Removed ids, with the id their readings moved to, or null if they were deleted. */
  readonly forgotten: ReadonlyMap<number, number | null>;
}

/** A device that sends for the first time, and the facts from its topic. */
export interface NewDevice {
  readonly key: string;
  readonly location?: string | undefined;
}

export interface SensorStore {
  /** All registered sensors. */
  loadAll(): Promise<readonly Sensor[]>;
  /** Called before `loadAll`: the next batch then detects changes in between. */
  loadChanges(): Promise<SensorChanges>;
  /** Registers unknown devices; returns the sensor of each, whichever daemon registered it. Safe against other daemons. */
  register(devices: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Gives the sensors among `devices` that have no location theirs; returns all of them. */
  locate(devices: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Those of `keys` that are registered; registers none. */
  find(keys: readonly string[]): Promise<readonly Sensor[]>;
  findByIds(ids: readonly number[]): Promise<readonly Sensor[]>;
}

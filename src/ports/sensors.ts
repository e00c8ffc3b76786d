/** Registered devices. */

export interface Sensor {
  readonly id: number;
  /** The device's own name, as decoded. */
  readonly key: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  /** Its location is the one that its topic names: it moves with it. */
  readonly followsTopic?: boolean;
  /** It has sent from another location, and it is not known yet whether it moved. */
  readonly isMoving?: boolean;
  /** The key of the sensor that it sends through. */
  readonly gateway?: string | null;
  /** It expects nothing, and no rule applies to it: for good, or until its next reading. */
  readonly retired?: 'for_good' | 'until_seen' | null;
  /** Further keys that lead to it, after a rename or a merge. */
  readonly aliases?: readonly string[] | null;
}

/** Changes of sensors by operators: renamed, merged, forgot, retired. */
export interface SensorChanges {
  /** The newest of them, 0 without any. */
  readonly seq: number;
  /** Removed ids, with the id their readings moved to, or null if they were deleted. */
  readonly forgotten: ReadonlyMap<number, number | null>;
}

/** A device that sends for the first time, or whose facts are not complete, and those from its topic. */
export interface NewDevice {
  readonly key: string;
  readonly location?: string | undefined;
  readonly gateway?: string | undefined;
}

export interface SensorStore {
  /** All registered sensors. */
  loadAll(): Promise<readonly Sensor[]>;
  /** Called before `loadAll`: the next batch then detects changes in between. */
  loadChanges(): Promise<SensorChanges>;
  /** Registers unknown devices; returns the sensor of each, whichever daemon registered it. Safe against other daemons. */
  register(devices: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Gives the sensors among `devices` that have no location, or no gateway, theirs; returns all of them. */
  locate(devices: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Gives sensors that follow their topic the location that it names by now; returns those. A change of sensors. */
  move(sensors: readonly NewDevice[]): Promise<readonly Sensor[]>;
  /** Ends the retirement of `keys` that were retired until they are seen; a change of sensors. */
  unretire(keys: readonly string[]): Promise<void>;
  /** The registered sensors among `keys`; registers none. */
  find(keys: readonly string[]): Promise<readonly Sensor[]>;
  findByIds(ids: readonly number[]): Promise<readonly Sensor[]>;
}

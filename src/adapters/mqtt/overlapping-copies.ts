import { overlappingFilters, parseTopicPattern } from '../../core/ingest/topic.ts';
import type { Micros } from '../../core/reading.ts';

/** The fields of an arriving PUBLISH that are compared. */
export interface Arrival {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** MQTT 5: the subscriptions for which the broker sends it; undefined where it does not say. */
  readonly subscriptionIds: readonly number[] | undefined;
  readonly arrivalUs: Micros;
  readonly monotonicMs: number;
}

/** Copies of one payload on one topic, while they keep arriving. */
interface Sighting {
  readonly payload: Uint8Array;
  /** Copies by subscription; without identifiers all under 0. */
  readonly copies: Map<number, number>;
  /** When the first copy of each publish arrived. */
  readonly arrivals: Micros[];
  /** How many older ones are dropped. */
  forgotten: number;
  lastMs: number;
}

/** Copies of one publish leave the broker together. What comes later is another publish. */
const APART_MS = 10_000;
const MAX_TOPICS = 10_000;
const MAX_SIGHTINGS_PER_TOPIC = 64;
/** Publishes of the same bytes that are remembered, for copies that are behind. */
const MAX_ARRIVALS = 1000;

/**
 * A broker may send a message once for each of the filters that match its topic (MQTT 5.0, 3.3.4; MQTT 3.1.1, 3.3.5).
 * Filters that another one covers are not subscribed; those that overlap in part remain, and for a message without a time
 * of its own each copy would be a row. With subscription identifiers a copy is one that does not raise the highest number
 * of copies of these bytes for any filter: so a publisher that sends the same value twice still has it twice, and a
 * broker that sends one copy loses nothing. Without identifiers (`sendsCopies`: it was tried) every publish comes once
 * for each matching filter. Counts belong to one connection; a redelivery (DUP) is not counted.
 */
export class OverlappingCopies {
  readonly #filters: readonly { readonly filter: string; match(topic: string): boolean }[];
  readonly #sendsCopies: boolean;
  readonly #matching = new Map<string, number>();
  readonly #seen = new Map<string, Sighting[]>();

  private constructor(filters: readonly string[], sendsCopies: boolean) {
    this.#filters = filters.map((filter) => {
      const parsed = parseTopicPattern(filter);
      return { filter, match: (topic) => parsed.ok && parsed.pattern.match(topic) !== undefined };
    });
    this.#sendsCopies = sendsCopies;
  }

  /** Undefined where no two filters overlap: then nothing needs to be compared. */
  static of(filters: readonly string[], sendsCopies: boolean): OverlappingCopies | undefined {
    const overlapping = overlappingFilters(filters);
    return overlapping.length === 0 ? undefined : new OverlappingCopies(overlapping, sendsCopies);
  }

  /** The arrival of the first copy when this is a further one; undefined when it is new. */
  firstArrivalOf(arrival: Arrival): Micros | undefined {
    const matching = this.#matchingOf(arrival.topic);
    if (matching < 2) return undefined;
    const sighting = this.#sightingOf(arrival);
    sighting.lastMs = arrival.monotonicMs;
    const publish = this.#count(sighting, arrival.subscriptionIds, matching);
    const { arrivals } = sighting;
    if (publish === undefined) return undefined;
    if (publish > sighting.forgotten + arrivals.length) {
      arrivals.push(arrival.arrivalUs);
      if (arrivals.length > MAX_ARRIVALS) {
        arrivals.shift();
        sighting.forgotten++;
      }
      return undefined;
    }
    return arrivals[Math.max(0, publish - 1 - sighting.forgotten)];
  }

  /** Which publish of these bytes this copy belongs to, from 1; undefined when it cannot be known. */
  #count(sighting: Sighting, ids: readonly number[] | undefined, matching: number): number | undefined {
    const { copies } = sighting;
    if (ids === undefined || ids.length === 0) {
      if (!this.#sendsCopies) return undefined;
      const count = (copies.get(0) ?? 0) + 1;
      copies.set(0, count);
      return Math.ceil(count / matching);
    }
    let publish = 0;
    for (const id of ids) {
      const count = (copies.get(id) ?? 0) + 1;
      copies.set(id, count);
      publish = Math.max(publish, count);
    }
    return publish;
  }

  #matchingOf(topic: string): number {
    let matching = this.#matching.get(topic);
    if (matching === undefined) {
      matching = this.#filters.filter((filter) => filter.match(topic)).length;
      if (this.#matching.size >= MAX_TOPICS) this.#matching.clear();
      this.#matching.set(topic, matching);
    }
    return matching;
  }

  #sightingOf({ topic, payload, monotonicMs }: Arrival): Sighting {
    let sightings = this.#seen.get(topic);
    if (sightings === undefined) {
      if (this.#seen.size >= MAX_TOPICS) this.#seen.clear();
      this.#seen.set(topic, (sightings = []));
    }
    while (sightings[0] !== undefined && monotonicMs - sightings[0].lastMs > APART_MS) sightings.shift();
    const found = sightings.find((sighting) => sameBytes(sighting.payload, payload));
    if (found !== undefined && monotonicMs - found.lastMs <= APART_MS) return found;
    if (sightings.length >= MAX_SIGHTINGS_PER_TOPIC) sightings.shift();
    const sighting: Sighting = {
      payload,
      copies: new Map(),
      arrivals: [],
      forgotten: 0,
      lastMs: monotonicMs,
    };
    sightings.push(sighting);
    return sighting;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/**
 * The seams. Services are written against these interfaces only; adapters implement them; app.ts joins the two.
 * Nothing here knows MQTT.js, pg, pino or prom-client.
 */

export type { Catalog } from './core/policy/catalog.ts';
export * from './ports/alerts.ts';
export * from './ports/handover.ts';
export * from './ports/messages.ts';
export * from './ports/notifying.ts';
export * from './ports/sensors.ts';
export * from './ports/shards.ts';
export * from './ports/spool.ts';
export * from './ports/store.ts';
export * from './ports/telemetry.ts';
export * from './ports/time.ts';
export * from './ports/upkeep.ts';

import { InvalidArgumentError, Option } from 'commander';
import { textDefaults } from '../app/wiring/texts.ts';
import type { Config } from '../config/schema/index.ts';
import { isZone } from '../core/zone.ts';

/** IANA name of the zone in which an operator reads times. JSON and CSV are in UTC. */
export type Zone = string;

function zoneArgument(name: string): Zone {
  if (isZone(name)) return name;
  throw new InvalidArgumentError('Expected an IANA name such as Europe/Berlin.');
}

export const displayZoneOption = (): Option =>
  new Option(
    '--timezone <zone>',
    'of the times, an IANA name (default: notify.timezone, else that of the machine); JSON and CSV are in UTC',
  ).argParser(zoneArgument);

/** The zone of the option, else that of notification texts: an operator has one clock. */
export const zoneOf = (config: Config, { timezone }: { readonly timezone?: Zone | undefined }): Zone =>
  timezone ?? textDefaults(config).timezone;

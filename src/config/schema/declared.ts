import * as z from '../../core/schema/zod.ts';
import type { SensorFacts } from '../../core/alert/rules/effective.ts';
import { overrideConflicts } from '../../core/alert/rules/validate.ts';
import type { alertsSchema } from './alerts.ts';
import type { sensorsSchema } from './sensors.ts';

interface Sections {
  readonly alerts: z.output<typeof alertsSchema>;
  readonly sensors: z.output<typeof sensorsSchema>;
}

/** Declared sensors as the rules see them. */
export function declaredFacts({ sensors }: Pick<Sections, 'sensors'>): readonly SensorFacts[] {
  return Object.entries(sensors.declare).map(([key, { type, location, tags, gateway }], index) => ({
    ...{ id: index + 1, key, tags },
    type: type ?? null,
    location: location ?? null,
    gateway: gateway ?? null,
  }));
}

/** Overrides that meet in a declared sensor must not exclude each other; of other sensors nothing is known here. */
export const conflicts = z.superRefine<Sections>((config, context) => {
  for (const { path, message } of overrideConflicts(config.alerts, declaredFacts(config)))
    context.addIssue({ code: 'custom', path: ['alerts', ...path], message });
});

// Whatever the other sections say, since all faults are reported at once; faults of these two come first.
conflicts._zod.def.when = ({ issues }) =>
  !issues.some(({ path }) => path?.[0] === 'alerts' || path?.[0] === 'sensors');

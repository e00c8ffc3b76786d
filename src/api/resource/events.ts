import * as z from '../../core/schema/zod.ts';
import { several } from '../contract/fields.ts';
import { taken } from './answer.ts';
import { resource } from './resource.ts';

const MOST_SENSORS = 20;

export const events = resource({
  id: 'events',
  method: 'GET',
  path: '/events',
  tag: 'daemon',
  summary: 'What changes, as server-sent events',
  description:
    'Events `hello` and `intake` (every second), `alert`, `sensor` (a change of state; with `sensor=` its new values too) and `finding`. `Last-Event-ID` ' +
    'goes on where a connection ended; where that is not possible `reset` says that everything has to be read again.',
  role: 'viewer',
  query: z.strictObject({
    sensor: several(
      z.string().min(1).max(1024),
      MOST_SENSORS,
      'key of a sensor whose new values are wanted; may be given several times',
    ),
    lastEventId: z
      .string()
      .max(64)
      .optional()
      .describe('id of the last event that was received, where the header Last-Event-ID cannot be set'),
  }),
  contentTypes: ['text/event-stream'],
  faults: ['API_TOO_MANY'],
  handle: ({ query, headers, visit }, { events: stream, access }) => {
    stream.admit(visit);
    const given = headers['last-event-id'];
    const lastId = typeof given === 'string' && given !== '' ? given : query.lastEventId;
    return taken((response) =>
      stream.open(response, {
        ...{ visit, lastId, sensors: query.sensor ?? [] },
        mayRead: () => access.stillIn(visit),
      }),
    );
  },
});

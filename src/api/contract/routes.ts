import * as z from '../../core/schema/zod.ts';
import { count, text, time } from './fields.ts';

export const routeSchema = z
  .object({
    name: text('its first topic pattern, or its preset'),
    preset: z.string().nullable().describe('ready-made route that it is based on; null: none'),
    topics: z.array(z.string()).describe('topic patterns'),
    ignore: z.array(z.string()).describe('topic patterns whose messages are dropped'),
    codec: text('payload format'),
    messages: count('messages that gave a reading since the start, or since the route changed'),
    refused: count('messages of it that gave no reading, since then'),
    lastMessageAt: time('its last message')
      .nullable()
      .describe('its last message; null: none since the start'),
    silent: z.boolean().describe('true: it used to deliver and stopped'),
  })
  .meta({ id: 'Route', description: 'How messages of some topics become readings' });
export type Route = z.output<typeof routeSchema>;

export const routeListSchema = z
  .object({
    items: z.array(routeSchema).describe('routes in their order; the first that matches a topic reads it'),
    next: z.null().describe('always null: all routes are in one answer'),
    filters: z.array(z.string()).describe('topic filters at the broker'),
  })
  .meta({ id: 'RouteList', description: 'The routes' });
export type RouteList = z.output<typeof routeListSchema>;

import { routeListSchema } from '../contract/routes.ts';
import { resource } from './resource.ts';

export const routes = resource({
  id: 'routes',
  method: 'GET',
  path: '/routes',
  tag: 'daemon',
  summary: 'How messages become readings, and what each route received',
  role: 'viewer',
  answer: routeListSchema,
  handle: (_request, { daemon }) => daemon.routes(),
});

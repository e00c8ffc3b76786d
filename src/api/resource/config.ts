import { FieldwatchError } from '../../core/errors.ts';
import { configSchema } from '../contract/config.ts';
import { resource } from './resource.ts';

export const config = resource({
  id: 'config',
  method: 'GET',
  path: '/config',
  tag: 'daemon',
  summary: 'The configuration in effect, secrets masked',
  role: 'viewer',
  answer: configSchema,
  faults: ['CONFIG_UNKNOWN'],
  handle(_request, { daemon }) {
    const found = daemon.config();
    if (found !== undefined) return found;
    throw new FieldwatchError('this daemon was started without a configuration that can be shown', {
      code: 'CONFIG_UNKNOWN',
      kind: 'data',
    });
  },
});

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { isSchemaText } from '../../core/ingest/codec/protobuf.ts';
import type { RouteConfig } from '../../core/ingest/route-config.ts';

/**
 * Routes whose `proto` names a file, with the text of the file in its place; `proto` may also be the text itself.
 * Paths are relative to the configuration file. Throws at a file that cannot be read, naming the route.
 */
export function readProtoFiles<Route extends RouteConfig>(
  routes: readonly Route[],
  configFile: string | undefined,
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): readonly Route[] {
  return routes.map((route, index) => {
    if (route.proto === undefined || isSchemaText(route.proto)) return route;
    const path = configFile === undefined ? resolve(route.proto) : resolve(dirname(configFile), route.proto);
    try {
      return { ...route, proto: read(path) };
    } catch (error) {
      throw new FieldwatchError(`routes[${index}].proto: cannot read ${path}: ${messageOf(error)}`, {
        code: 'ROUTE_INVALID',
        kind: 'config',
        remedy: 'the path is relative to the configuration file',
        cause: error,
      });
    }
  });
}

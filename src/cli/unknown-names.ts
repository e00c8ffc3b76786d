import type { Db, Selection } from '../queries/db.ts';
import { unknownNames } from '../queries/sensors.ts';
import type { Cli } from './command.ts';
import { withInvocation } from './invocation.ts';

interface Names extends Selection {
  readonly metric?: string | undefined;
}

/** Warns on standard error of names in a selection that do not exist: a misspelt name gives no rows, as an idle sensor does. */
export async function reportUnknownNames(
  cli: Pick<Cli, 'stderr' | 'invocation' | 'configFile'>,
  db: Db,
  names: Names,
): Promise<void> {
  const unknown = await unknownNames(db, names);
  const say = (line: string) => cli.stderr.write(`fieldwatch: ${withInvocation(line, cli)}\n`);
  if (unknown.sensor)
    say(
      `no sensor is registered under the key ${JSON.stringify(names.sensor)}; \`fieldwatch sensors list\` shows the keys`,
    );
  if (unknown.location)
    say(
      `no sensor has the location ${JSON.stringify(names.location)}; \`fieldwatch readings locations\` shows those there are`,
    );
  if (unknown.metric)
    say(
      `no metric has the name ${JSON.stringify(names.metric)}; \`fieldwatch metrics list\` shows the names beyond temperature, humidity, pressure, battery and rssi`,
    );
}

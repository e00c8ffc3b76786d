import { port, section, text } from '../../core/schema/fields.ts';

export const embeddedSchema = section(
  {
    data_dir: text('folder of the embedded database and broker, relative to the working directory').default(
      './data',
    ),
    database_port: port(
      54_320,
      'loopback port of the embedded database; psql and the CLI connect here, with the password in the file pgpass of data_dir',
    ),
    mqtt_host: text('address the embedded broker listens on; it asks for no password').default('127.0.0.1'),
    mqtt_port: port(1883, 'port of the embedded broker'),
  },
  'the embedded TimescaleDB and broker: used where database.url or mqtt.url is absent',
);

import { APPLICATION_NAME } from './fault/fault.ts';
import { ALERTS } from './workload.ts';

/**
 * The daemon as it would be deployed, but for its patience: with waits of seconds instead of minutes more happens in a
 * run. Nothing that promises anything is changed.
 */
export function daemonConfig(at: { brokerPort: number; databaseUrl: string; httpPort: number }): string {
  const config = {
    mqtt: {
      url: `mqtt://127.0.0.1:${at.brokerPort}`,
      client_id: 'fieldwatch-under-chaos',
      keepalive: '2s',
      connect_timeout: '2s',
      receive_maximum: 2000,
      reconnect: { min: '50ms', max: '1s' },
    },
    database: {
      url: at.databaseUrl,
      application_name: APPLICATION_NAME,
      connect_timeout: '3s',
      statement_timeout: '2s',
      lock_timeout: '1s',
    },
    routes: [{ topic: 'sensors/{location}/{device}/readings', codec: 'json', extras: true }],
    ingest: { batch: { max_rows: 500 }, retry: { min: '50ms', max: '1s' } },
    spool: { after: '1s' },
    alerts: ALERTS,
    http: { port: at.httpPort },
    log: { format: 'json', alert_log: 'alerts.log' },
    shutdown_deadline: '5s',
  };
  // JSON is YAML.
  return `${JSON.stringify(config, null, 2)}\n`;
}

import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';

describe('loadConfig', () => {
  test('a file with routes only is valid, all else is default', () => {
    const { config } = loadConfig({ text: 'routes: []\n', env: {}, hostname: 'pi' });
    expect(config.mqtt.client_id).toBe('fieldwatch-pi');
    expect(config.mqtt.status_topic).toBe('fieldwatch/fieldwatch-pi/status');
    expect(config.mqtt.url).toBeUndefined();
    expect(config.ingest.batch).toEqual({ max_rows: 10_000, max_bytes: 8 * 1024 ** 2, linger: 20 });
  });
});

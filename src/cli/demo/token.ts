import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/schema/index.ts';

const HEADER = '# name, role and token: a token logs in to the page.\n';

/**
 * The demo is there to be tried, writing included: without a token file of its own it gets one, with a token that is made at the
 * first start and is readable for its user only.
 */
export function withDemoToken(config: Config): Config {
  const { http, state_dir: folder } = config;
  if (!http.enabled || !http.api || http.token_file !== undefined) return config;
  const file = join(folder, 'http-tokens');
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const token = randomBytes(24).toString('base64url');
    writeFileSync(file, `${HEADER}demo operator ${token}\n`, { mode: 0o600 });
  }
  return { ...config, http: { ...http, token_file: file } };
}

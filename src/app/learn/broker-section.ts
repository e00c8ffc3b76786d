import type { Config } from '../../config/schema/index.ts';
import type { PlainObject } from '../../config/walk.ts';

/** How the broker was reached, as the configuration says it; never a password. */
export function brokerSection({
  url,
  protocol,
  username,
  password_file,
  tls,
}: Config['mqtt']): PlainObject | undefined {
  if (url === undefined) return undefined;
  const { ca_file, cert_file, key_file, servername } = tls;
  const files = Object.fromEntries(
    Object.entries({ ca_file, cert_file, key_file, servername }).filter(([, value]) => value !== undefined),
  );
  return {
    url,
    ...(protocol === '5.0' ? {} : { protocol }),
    ...(username === undefined ? {} : { username }),
    ...(password_file === undefined ? {} : { password_file }),
    ...(Object.keys(files).length === 0 ? {} : { tls: files }),
  };
}

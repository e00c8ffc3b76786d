import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Daemon } from '../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../support/embedded-db.ts';
import { proxyTo } from '../support/tcp-proxy.ts';

/** A link that passes the first replies and then stalls, without breaking. */
describe('a database link that falls silent during the start', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
  });

  afterAll(() => database?.close());

  it('lets SIGTERM end the start at once', async () => {
    const { proxy: link, url } = await proxyTo(database.url);
    link.stall();
    const daemon = await Daemon.prepare(`
mqtt: { url: "mqtt://127.0.0.1:9" }
database: { url: "${url}", connect_timeout: 10m }
http: { enabled: false }
`);
    daemon.spawn();
    await daemon.logged(({ msg }) => msg === 'starting');
    daemon.signal('SIGHUP');
    expect(await daemon.end('SIGTERM')).toBe(0);
    await daemon.remove();
    await link.close();
  });

  /** Started behind a link that passes this many replies. */
  const start = async (replies: number, spool: string) => {
    const { proxy: link, url } = await proxyTo(database.url);
    let seen = 0;
    link.swallow((_chunk, direction) => direction === 'down' && ++seen > replies);
    const daemon = await Daemon.prepare(`
mqtt: { url: "mqtt://127.0.0.1:9" }
database: { url: "${url}", connect_timeout: 2s, statement_timeout: 2s }
spool: { ${spool} }
http: { enabled: false }
`);
    daemon.spawn();
    return { daemon, link };
  };

  it.each([1, 2, 4])(
    'ends the start with a reason where there is no spool, after reply %i',
    async (replies) => {
      const { daemon, link } = await start(replies, 'enabled: false');
      expect(await daemon.ended()).toBe(1);
      expect(daemon.log.map(({ msg }) => msg).join('\n')).toContain('database');
      await daemon.remove();
      await link.close();
    },
  );

  it.each([1, 3])('goes on with the spool, after reply %i, and stops in order', async (replies) => {
    const { daemon, link } = await start(replies, 'after: 2s');
    await daemon.logged(({ msg }) => msg.startsWith('started without the database'));
    await daemon.logged(({ msg }) => msg === 'ready');
    link.resume();
    link.cut();
    await daemon.logged(({ msg }) => msg === 'database accepts writes again');
    expect(await daemon.end('SIGTERM')).toBe(0);
    await daemon.remove();
    await link.close();
  });
});

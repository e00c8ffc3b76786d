import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { request } from '../../../src/sinks/http.ts';
import { TestAuthority } from '../../support/certificates.ts';
import { sinkOf } from '../../support/far-side.ts';
import { describeWith } from '../../support/tools.ts';

describeWith('openssl')('a sink whose certificate does not verify', () => {
  let folder: string;
  let server: Server;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fieldwatch-certificates-'));
    const { certFile, keyFile } = await (await TestAuthority.create(folder)).issue('sink');
    server = createServer({ cert: await readFile(certFile), key: await readFile(keyFile) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const port = () => (server.address() as AddressInfo).port;
  const expected = {
    code: 'NOTIFY_CERTIFICATE',
    kind: 'config',
    message: expect.stringContaining(`127.0.0.1:`),
    remedy: expect.stringContaining('authority that signed it'),
  };

  test('is named as that over HTTP, and not as the network', async () => {
    const url = `https://127.0.0.1:${port()}/hook`;
    await expect(request({ url }, AbortSignal.timeout(60_000))).rejects.toMatchObject(expected);
  });

  test('is named as that over SMTP', async () => {
    const sink = sinkOf({
      kind: 'smtp',
      ...{ host: '127.0.0.1', port: port(), tls: 'implicit', timeout: '60s' },
      ...{ from: 'a@example.org', to: ['b@example.org'] },
    });
    await expect(sink.probe(AbortSignal.timeout(60_000))).rejects.toMatchObject(expected);
  });
});

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { InternalClient, portOf } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Service, Surroundings } from '@nightshift/service';
import { generateSealKeyPair } from '@nightshift/std';
import { type TestDatabase, testDatabase } from '@nightshift/testing';
import { buildGateway, GatewayEnvironment, listenAdmin } from '../src/index.ts';

const log = createLog({ level: 'silent', format: 'json' });
const ADMIN = 'operators-own-token';
const KEY = 'sk-ns-bootstrap-key';

let database: TestDatabase;
let service: Service;
let around: Surroundings;
let publicPort: number;
let adminPort: number;

beforeAll(async () => {
  database = await testDatabase({ template: 'empty', migrate: () => Promise.resolve() });
  const nobody = new InternalClient(() => Promise.resolve({ status: 200, body: '{"deadLetters":[],"nextCursor":null}' }), 'token');
  around = {
    log, bus: new LocalBus(), hints: new InProcessHints(), readiness: new ReadinessChecks(), shutdown: new Shutdown(), databaseUrl: database.url, connectionsMax: 4,
    pool: 'shared', onePool: undefined, serviceTokens: new Map(), neighbours: [], client: () => nobody,
  };
  const environment = GatewayEnvironment.parse({ ADMIN_TOKEN: ADMIN, BOOTSTRAP_API_KEY: KEY, SEAL_PUBLIC_KEY: generateSealKeyPair().publicKey, ADMIN_PORT: '0' });
  service = await buildGateway(environment, around);
  await service.app.listen(0, '127.0.0.1');
  publicPort = portOf(service.app);
  adminPort = await listenAdmin(service, { ...environment, HOST: '127.0.0.1', PORT: publicPort }, around);
});
afterAll(async () => {
  await around.shutdown.run(log, 1000);
  await database.drop();
});

/** The status of a request that goes out exactly as it is given. */
function ask(port: number, path: string, token?: string, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (res) => {
      res.resume().on('end', () => resolve(res.statusCode ?? 0));
    });
    req.on('error', reject).end();
  });
}

describe('the operator’s API', () => {
  test('answers on its own port with its own token', async () => {
    expect(await ask(adminPort, '/admin/v1/orgs', ADMIN)).toBe(200);
    expect(await ask(adminPort, '/admin/v1/dead-letters', ADMIN)).toBe(200);
  });

  test.each([undefined, KEY, `${ADMIN}x`, ''])('refuses the token %s', async (token) => {
    expect(await ask(adminPort, '/admin/v1/orgs', token)).toBe(401);
    expect(await ask(adminPort, '/admin/v1/dead-letters', token)).toBe(401);
  });

  test.each(['/admin/v1/orgs', '/%61dmin/v1/orgs', '/admin%2fv1/orgs', '//admin/v1/orgs', '/admin/v1/dead-letters', '/%61%64%6d%69%6e/v1/dead-letters'])('is not on the public port, however it is spelled: %s', async (path) => {
    expect(await ask(publicPort, path, ADMIN)).toBe(404);
  });
});

describe('the public API', () => {
  test.each(['/v1/models', '/%761/models', '/openapi.json', '/docs', '/v1/runs'])('is not on the operator’s port: %s', async (path) => {
    expect(await ask(adminPort, path, KEY)).toBe(404);
  });

  test('needs a key, but for what describes it', async () => {
    for (const path of ['/v1/models', '/v1/runs', '/v1/usage', '/v1/runs/run_1']) expect(await ask(publicPort, path)).toBe(401);
    expect(await ask(publicPort, '/v1/runs', undefined, 'POST')).toBe(401);
    expect(await ask(publicPort, '/v1/models', KEY)).toBe(200);
    expect(await ask(publicPort, '/openapi.json')).toBe(200);
  });

  test('does not take the operator’s token for a key', async () => {
    expect(await ask(publicPort, '/v1/models', ADMIN)).toBe(401);
  });
});

test('both ports say whether the process is well', async () => {
  for (const port of [publicPort, adminPort]) {
    for (const path of ['/health', '/ready']) expect(await ask(port, path)).toBe(200);
  }
});

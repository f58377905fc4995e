import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { migrate } from '@nightshift/postgres';
import { freePort } from '@nightshift/runtime';
import { infrastructure, testDatabase, type TestDatabase } from '@nightshift/testing';
import pg from 'pg';
import { migrationsOf } from './apps.ts';
import type { Check } from './check.ts';
import { nightshift } from './program.ts';

const { kafkaBrokers, redisUrl } = infrastructure();
let database: TestDatabase;
let dataDir: string;

beforeAll(async () => {
  database = await testDatabase({ template: 'only runs', migrate: async (url) => void (await migrate({ url, schema: 'runs', folder: migrationsOf('runs') })) });
});
afterAll(() => database.drop());
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'operator-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

async function operate(args: string[], environment: Record<string, string> = {}): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const code = await nightshift(args, { environment: { DATA_DIR: dataDir, ...environment }, print: (text) => (said.out += `${text}\n`), complain: (text) => (said.err += `${text}\n`) });
  return { code, ...said };
}

const good = () => ({ DATABASE_URL: database.url, KAFKA_BROKERS: kafkaBrokers, REDIS_URL: redisUrl, SERVICE_TOKEN: 'token-of-runs' });

async function checks(environment: Record<string, string>, ...more: string[]): Promise<{ code: number; failed: string[]; all: Check[] }> {
  const { code, out } = await operate(['--json', 'check-config', '--app', 'runs', ...more], environment);
  const { checks: all } = JSON.parse(out) as { checks: Check[] };
  return { code, all, failed: all.filter(({ state }) => state === 'fail').map(({ name }) => name) };
}

describe('check-config', () => {
  test('finds nothing wrong with an environment that an app can be started in', async () => {
    const { code, all } = await checks(good());
    expect([code, all.map(({ name, state }) => `${state} ${name}`)]).toEqual([0, ['environment', 'postgres', 'clock', 'connections', 'durability', 'migrations of runs', 'kafka', 'topics', 'redis'].map((name) => `ok ${name}`)]);
  });

  test('reads the variables as the app itself does, and names each that is wrong', async () => {
    const { code, all, failed } = await checks({ ...good(), SERVICE_TOKEN: '', LOG_LEVEL: 'loud', RUN_RETENTION_DAYS: '-1' });
    expect([code, failed]).toEqual([1, ['environment', 'environment', 'environment']]);
    expect(all.filter(({ state }) => state === 'fail').map(({ detail }) => detail.split(':')[0]).toSorted()).toEqual(['LOG_LEVEL', 'RUN_RETENTION_DAYS', 'SERVICE_TOKEN']);
  });

  test('says of each server that cannot be reached, and goes on with the others', async () => {
    const nobody = await freePort();
    const { code, failed } = await checks({ ...good(), KAFKA_BROKERS: `127.0.0.1:${nobody}`, REDIS_URL: `redis://127.0.0.1:${nobody}` });
    expect([code, failed]).toEqual([1, ['kafka', 'redis']]);
    expect((await checks({ ...good(), DATABASE_URL: `postgresql://nobody:pass-word@127.0.0.1:${nobody}/none` })).failed).toEqual(['postgres']);
  });

  test('waits for a server that accepts and says nothing, but not for ever', async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    const sockets = new Set<{ destroy: () => void }>();
    mute.on('connection', (socket) => sockets.add(socket));
    const { failed } = await checks({ ...good(), DATABASE_URL: `postgresql://u:p@127.0.0.1:${port}/d`, REDIS_URL: `redis://127.0.0.1:${port}` });
    expect(failed).toEqual(['postgres', 'redis']);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  test('adds up the connections of all processes, and says when the database has fewer', async () => {
    const { code, all, failed } = await checks(good(), '--replicas', 'gateway=40');
    expect([code, failed, all.find(({ name }) => name === 'connections')?.detail]).toEqual([1, ['connections'], expect.stringMatching(/may open 540, the database allows \d+$/)]);
    expect(await operate(['check-config', '--app', 'runs', '--replicas', 'gateways=2'], good())).toMatchObject({ code: 2, err: expect.stringContaining('there is no "gateways"') });
  });

  test('counts for other apps what they open by default, whatever this one may', async () => {
    const opened = async (...more: string[]) => (await checks({ ...good(), DATABASE_CONNECTIONS_MAX: '50' }, ...more)).all.find(({ name }) => name === 'connections')?.detail;
    expect(await opened()).toContain('may open 110,');
    expect(await opened('--replicas', 'runs=2,gateway=3')).toContain('may open 184,');
  });

  test('connects as PGSSLMODE of the environment says, unless the URL has an sslmode', async () => {
    const file = join(dataDir, 'runs.env');
    writeFileSync(file, 'PGSSLMODE=require\n');
    const { failed, all } = await checks(good(), '--env-file', file);
    expect([failed, all.find(({ name }) => name === 'postgres')?.detail]).toEqual([['postgres'], expect.stringContaining('does not support SSL')]);
    const url = new URL(database.url);
    url.searchParams.set('sslmode', 'disable');
    expect((await checks({ ...good(), DATABASE_URL: url.href }, '--env-file', file)).failed).toEqual([]);
  });

  test('tells migrations that are to come from ones whose text was changed since', async () => {
    const empty = await testDatabase({ template: 'nothing', migrate: () => Promise.resolve() });
    const changed = await testDatabase({ template: 'nothing', migrate: () => Promise.resolve() });
    try {
      expect((await checks({ ...good(), DATABASE_URL: empty.url })).all.find(({ name }) => name.startsWith('migrations'))).toMatchObject({ state: 'ok', detail: expect.stringContaining('0001_init') });
      await migrate({ url: changed.url, schema: 'runs', folder: migrationsOf('runs') });
      const client = new pg.Client({ connectionString: changed.url });
      await client.connect();
      await client.query(`update runs._prisma_migrations set checksum = 'of another text' where migration_name = '0001_init'`);
      await client.end();
      expect((await checks({ ...good(), DATABASE_URL: changed.url })).failed).toEqual(['migrations of runs']);
    } finally {
      await Promise.all([empty.drop(), changed.drop()]);
    }
  });
});

describe('the command line', () => {
  test.each([[['orgs', 'paint']], [['frobnicate']], [['check-config']], [['check-config', '--app', 'kitchen']], [['orgs', 'create', 'X', '--rpm', '0']], [['topics', 'list']], [['dead-letters', 'drop']]])('that cannot be understood ends with 2 and one message: %j', async (args) => {
    const { code, out, err } = await operate(args, { ADMIN_TOKEN: 'a-token' });
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^(nightshift|error|KAFKA_BROKERS)/);
  });

  test('whose server cannot be reached ends with 3, and says which address it was', async () => {
    const nobody = await freePort();
    expect(await operate(['orgs', 'list', '--admin-url', `http://127.0.0.1:${nobody}`], { ADMIN_TOKEN: 'a-token' })).toEqual({ code: 3, out: '', err: expect.stringContaining(`http://127.0.0.1:${nobody}`) });
    expect(await operate(['topics', 'list'], { KAFKA_BROKERS: `127.0.0.1:${nobody}` })).toMatchObject({ code: 3, err: expect.stringContaining(String(nobody)) });
  });

  test('without a token says how to give one', async () => {
    expect(await operate(['orgs', 'list'])).toMatchObject({ code: 2, err: expect.stringContaining('ADMIN_TOKEN_FILE') });
  });

  test('explains itself, with examples', async () => {
    for (const args of [[], ['keys', 'create'], ['dead-letters', 'redrive'], ['check-config'], ['support-bundle']]) {
      const { code, out } = await operate([...args, '--help']);
      expect([code, out]).toEqual([0, expect.stringContaining(args.length === 0 ? 'ends with' : 'Examples:')]);
    }
  });
});

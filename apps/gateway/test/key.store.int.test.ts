import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { CreateKey, type Scope } from '@nightshift/contracts';
import { connect, type Database, migrate } from '@nightshift/postgres';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../src/generated/client.ts';
import { DEFAULT_ORG, KeyStore } from '../src/key.store.ts';
import { OrgStore } from '../src/org.store.ts';

const folder = new URL('../prisma/migrations/', import.meta.url);
const migration = readFileSync(new URL('0001_init/migration.sql', folder));

let database: TestDatabase;
let db: Database;
let prisma: PrismaClient;

beforeAll(async () => {
  const template = `gateway ${createHash('sha256').update(migration).digest('hex')}`;
  database = await testDatabase({ template, migrate: async (url) => void (await migrate({ url, schema: 'gateway', folder: fileURLToPath(folder) })) });
  db = connect({ url: database.url, max: 4, name: 'test', onError: (err) => console.error(err) });
  prisma = new PrismaClient({ adapter: new PrismaPg(db.pool, { schema: 'gateway' }) });
});
afterEach(() => db.pool.query('truncate gateway.api_keys, gateway.orgs'));
afterAll(async () => {
  await prisma.$disconnect();
  await db.close();
  await database.drop();
});

/** A store as one replica has it, with a cache of its own. */
const store = () => new KeyStore(prisma);
const input = (more: object = {}) => CreateKey.parse({ name: 'a key', ...more });
const newOrg = () => new OrgStore(prisma).create({ name: 'acme', pool: 'acme', limits: { rpm: 60 }, egressAllow: ['10.0.0.0/8'] });

describe('the bootstrap key', () => {
  const KEY = 'sk-ns-bootstrap-key';

  test('opens the default organisation with every scope, and is made once, by however many start together', async () => {
    await Promise.all([store().bootstrap(KEY), store().bootstrap(KEY), store().bootstrap(KEY)]);
    await store().bootstrap(KEY);
    expect(await store().list(DEFAULT_ORG.id)).toHaveLength(1);
    expect(await store().find(KEY)).toEqual({ keyId: expect.stringMatching(/^key_/), orgId: 'org_default', pool: 'shared', egressAllow: [], scopes: ['runs:read', 'runs:write', 'usage:read'], answerEncoding: 'object', runLimits: {}, rateLimits: { org: {}, key: {} } });
  });

  test('stays revoked, also after the next start', async () => {
    await store().bootstrap(KEY);
    const [key] = await store().list(DEFAULT_ORG.id);
    await store().revoke(key!.id);
    await store().bootstrap(KEY);
    expect(await store().find(KEY)).toBeUndefined();
    expect(await store().list(DEFAULT_ORG.id)).toMatchObject([{ revokedAt: expect.any(String) }]);
  });

  test('that is replaced leaves the one before it as it was', async () => {
    await store().bootstrap(KEY);
    await store().bootstrap('sk-ns-another-key');
    expect(await store().find(KEY)).toBeDefined();
    expect(await store().find('sk-ns-another-key')).toBeDefined();
  });
});

describe('a key', () => {
  test('is told once, and never stored', async () => {
    const org = await newOrg();
    const created = await store().create(org.id, input());
    expect(created.key).toMatch(/^sk-ns-[\w-]{32}$/);
    expect(created.prefix).toBe(created.key.slice(0, 12));
    expect(await store().list(org.id)).toEqual([expect.not.objectContaining({ key: expect.anything() })]);
    const { rows } = await db.pool.query<{ text: string }>('select k::text as text from gateway.api_keys k');
    expect(rows[0]!.text).not.toContain(created.key.slice(13));
  });

  test('proves its organisation, pool, ranges, scopes and encoding', async () => {
    const org = await newOrg();
    const { id, key } = await store().create(org.id, input({ scopes: ['usage:read'] satisfies Scope[], answerEncoding: 'string', limits: { tpm: 9 }, runLimits: { turns: 3 } }));
    expect(await store().find(key)).toEqual({ keyId: id, orgId: org.id, pool: 'acme', egressAllow: ['10.0.0.0/8'], scopes: ['usage:read'], answerEncoding: 'string', runLimits: { turns: 3 }, rateLimits: { org: { rpm: 60 }, key: { tpm: 9 } } });
  });

  test('is found by all of it, not by its beginning', async () => {
    const { key } = await store().create((await newOrg()).id, input());
    for (const wrong of [`${key.slice(0, -1)}!`, key.slice(0, -1), `${key}x`, key.slice(0, 12), key.toUpperCase(), '', 'x']) expect(await store().find(wrong)).toBeUndefined();
  });

  test('is told apart from others with the same beginning', async () => {
    const keys = ['sk-ns-same-beginning-1', 'sk-ns-same-beginning-2'];
    for (const key of keys) await store().bootstrap(key);
    const [first, second] = await Promise.all(keys.map((key) => store().find(key)));
    expect(first!.keyId).not.toBe(second!.keyId);
  });

  test('ends with its time', async () => {
    const org = await newOrg();
    const past = await store().create(org.id, input({ expiresAt: new Date(Date.now() - 1000).toISOString() }));
    const soon = await store().create(org.id, input({ expiresAt: '2999-01-01T00:00:00+02:00' }));
    expect([await store().find(past.key), (await store().find(soon.key))?.keyId]).toEqual([undefined, soon.id]);
    expect(soon.expiresAt).toBe('2998-12-31T22:00:00.000Z');
  });

  test('that is revoked is refused at once here, and within two seconds by other replicas', async () => {
    const [here, there] = [store(), store()];
    const { id, key } = await here.create((await newOrg()).id, input());
    expect([await here.find(key), await there.find(key)].every((caller) => caller?.keyId === id)).toBe(true);
    await here.revoke(id);
    await here.revoke(id);
    expect(await here.find(key)).toBeUndefined();
    await waitFor(async () => (await there.find(key)) === undefined, { timeoutMs: 2500 });
  });

  test('that was refused is not remembered as refused', async () => {
    const one = store();
    expect(await one.find('sk-ns-not-made-yet')).toBeUndefined();
    await store().bootstrap('sk-ns-not-made-yet');
    expect(await one.find('sk-ns-not-made-yet')).toBeDefined();
  });

  test('is looked up once for many requests at the same time', async () => {
    const { key } = await store().create((await newOrg()).id, input());
    let looks = 0;
    const counting = { apiKey: { findMany: (query: never) => ((looks += 1), prisma.apiKey.findMany(query)) } } as unknown as PrismaClient;
    const one = new KeyStore(counting);
    const callers = await Promise.all(Array.from({ length: 20 }, () => one.find(key)));
    expect([new Set(callers.map((caller) => caller?.keyId)).size, looks]).toEqual([1, 1]);
  });

  test('that cannot be looked up is looked up again', async () => {
    const { key } = await store().create((await newOrg()).id, input());
    let failures = 1;
    const failing = { apiKey: { findMany: (query: never) => (failures-- > 0 ? Promise.reject(new Error('away')) : prisma.apiKey.findMany(query)) } } as unknown as PrismaClient;
    const one = new KeyStore(failing);
    await expect(one.find(key)).rejects.toThrow('away');
    expect(await one.find(key)).toBeDefined();
  });

  test('needs an organisation that exists, and can only be revoked when it exists', async () => {
    await expect(store().create('org_none', input())).rejects.toMatchObject({ code: 'not_found' });
    await expect(store().revoke('key_none')).rejects.toMatchObject({ code: 'not_found' });
    await expect(new OrgStore(prisma).get('org_none')).rejects.toMatchObject({ code: 'not_found' });
  });
});

test('an organisation is changed in what is given, and keeps the rest', async () => {
  const orgs = new OrgStore(prisma);
  const org = await newOrg();
  expect(await orgs.update(org.id, { limits: { rpm: 5 } })).toEqual({ ...org, limits: { rpm: 5 } });
  expect(await orgs.update(org.id, { egressAllow: [], name: 'new' })).toEqual({ ...org, limits: { rpm: 5 }, egressAllow: [], name: 'new' });
  expect(await orgs.list()).toHaveLength(1);
  await expect(orgs.update('org_none', { name: 'x' })).rejects.toMatchObject({ code: 'not_found' });
});

import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { migrate } from '@nightshift/postgres';
import { APPS } from '@nightshift/runtime';
import { testDatabase, type TestDatabase } from '@nightshift/testing';
import pg from 'pg';
import { migrationsOf, SCHEMAS } from './nightshift/apps.ts';

/** What statements of a release before rely on: a column's type, that it may be left out, and the keys of `on conflict`. */
type Promises = ReadonlyMap<string, string>;


/** Promises that a later migration takes back on purpose, a release after nothing has relied on them any more: `<app>/<migration>` → what. */
const contracted: Readonly<Record<string, readonly string[]>> = {};

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await testDatabase({ template: 'nothing', migrate: () => Promise.resolve() });
  folder = mkdtempSync(join(tmpdir(), 'migrations-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

async function promisesOf(schema: string): Promise<Promises> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const columns = await client.query<{ name: string; says: string }>(
      `select table_name || '.' || column_name as name, data_type || case when is_nullable = 'NO' and column_default is null and is_identity = 'NO' then ', must be given' else ', may be left out' end as says
       from information_schema.columns where table_schema = $1`,
      [schema],
    );
    const keys = await client.query<{ name: string; says: string }>(`select tablename || ' unique' || substring(indexdef from '\\(.*') as name, 'there' as says from pg_indexes where schemaname = $1 and indexdef like 'CREATE UNIQUE%'`, [schema]);
    return new Map([...columns.rows, ...keys.rows].map(({ name, says }) => [name, says]));
  } finally {
    await client.end();
  }
}

/** A column that had to be given may be left out now; nothing else of a promise may change. */
function isKept(before: string, after: string | undefined): boolean {
  return after === before || after === before.replace('must be given', 'may be left out');
}

/** In a table that was there, a column that was not may be left out by those who do not know it. */
function breaks(before: Promises, after: Promises): string[] {
  const tables = new Set([...before.keys()].map((name) => name.split(/[ .]/)[0]));
  const gone = [...before].filter(([name, says]) => !isKept(says, after.get(name))).map(([name, says]) => `${name} was ${says}, is ${after.get(name) ?? 'gone'}`);
  const demanded = [...after].filter(([name, says]) => !before.has(name) && tables.has(name.split(/[ .]/)[0]) && says.endsWith('must be given')).map(([name]) => `${name} must be given`);
  return [...gone, ...demanded].sort();
}

test.each(APPS)('the migrations of %s take nothing away from processes of the release before', async (app) => {
  const source = migrationsOf(app);
  const own = join(folder, app);
  const schema = SCHEMAS[app];
  const broken: string[] = [];
  let before: Promises = new Map();
  for (const name of readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort()) {
    cpSync(join(source, name), join(own, name), { recursive: true });
    await migrate({ url: database.url, schema, folder: own });
    const after = await promisesOf(schema);
    expect(after.size).toBeGreaterThan(0);
    broken.push(...breaks(before, after).filter((what) => !contracted[`${app}/${name}`]?.includes(what)).map((what) => `${name}: ${what}`));
    before = after;
  }
  expect(broken).toEqual([]);
});

test('a column that is renamed, becomes another type, or must be given from now on is found, and so is a key that is gone', () => {
  const before = new Map([['calls.id', 'text, must be given'], ['calls.lane', 'text, may be left out'], ['calls unique(id)', 'there']]);
  expect(breaks(before, new Map([...before, ['calls.note', 'text, may be left out'], ['other.id', 'text, must be given']]))).toEqual([]);
  expect(breaks(before, new Map([['calls.key', 'text, must be given'], ['calls.lane', 'integer, may be left out']]))).toEqual([
    'calls unique(id) was there, is gone',
    'calls.id was text, must be given, is gone',
    'calls.key must be given',
    'calls.lane was text, may be left out, is integer, may be left out',
  ]);
});

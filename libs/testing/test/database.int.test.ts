import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { testDatabase, uniqueName } from '@nightshift/testing';

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as unknown[];
  } finally {
    await client.end();
  }
}

const notes = (url: string) => query(url, 'select text from note order by text');

describe('a database per test file', () => {
  test('is migrated, and its own', async () => {
    const options = { template: uniqueName('own'), migrate: async (url: string) => void (await query(url, 'create table note (text text)')) };
    const [first, second] = [await testDatabase(options), await testDatabase(options)];
    await query(first.url, "insert into note values ('only here')");
    expect(await notes(first.url)).toEqual([{ text: 'only here' }]);
    expect(await notes(second.url)).toEqual([]);
    await Promise.all([first.drop(), second.drop()]);
  });

  test('has its template migrated once, however many ask at the same time', async () => {
    let migrations = 0;
    const options = {
      template: uniqueName('once'),
      migrate: async (url: string) => {
        migrations++;
        await query(url, 'create table note (text text)');
      },
    };
    const databases = await Promise.all([1, 2, 3, 4].map(() => testDatabase(options)));
    expect(migrations).toBe(1);
    await Promise.all(databases.map(({ drop }) => drop()));
  });

  test('is not made of a template whose migration failed', async () => {
    const template = uniqueName('broken');
    const failing = async (url: string) => {
      await query(url, 'create table half (id int)');
      throw new Error('the second statement is wrong');
    };
    await expect(testDatabase({ template, migrate: failing })).rejects.toThrow('the second statement is wrong');
    const database = await testDatabase({ template, migrate: async (url) => void (await query(url, 'create table note (text text)')) });
    expect(await query(database.url, "select to_regclass('half') as half")).toEqual([{ half: null }]);
    await database.drop();
  });

  test('is gone after drop, even with a client connected', async () => {
    const database = await testDatabase({ template: uniqueName('drop'), migrate: async (url) => void (await query(url, 'select 1')) });
    const client = new pg.Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    await database.drop();
    await expect(query(database.url, 'select 1')).rejects.toMatchObject({ code: '3D000' });
  });
});

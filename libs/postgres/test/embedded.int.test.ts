import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/embedded.ts';

let folder: string;
let dataDir: string;
let server: EmbeddedPostgres | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-'));
  // Closed to everybody else, as /root is.
  dataDir = join(folder, 'closed', 'postgres');
  mkdirSync(join(folder, 'closed'), { mode: 0o700 });
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: { port?: number } = {}): Promise<EmbeddedPostgres> {
  server = await startEmbeddedPostgres({ dataDir, ...options });
  return server;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  // A killed server ends the connection; the query that waits for it tells.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function startElsewhere(): Promise<{ pid: number; kill: () => Promise<void> }> {
  const starter = spawn(process.execPath, [join(import.meta.dirname, 'embedded-starter.ts'), dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [printed] = (await once(starter.stdout, 'data')) as [Buffer];
  const kill = async () => {
    starter.kill('SIGKILL');
    await once(starter, 'exit');
  };
  return { pid: Number(printed.toString()), kill };
}

describe('embedded PostgreSQL', () => {
  test('keeps data, port and password over a restart', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    expect(await first.exited).toBe('ended with code 0');
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('runs on the port that is given', async () => {
    const { port, stop } = await start();
    await stop();
    expect((await start({ port: port + 1 })).port).toBe(port + 1);
  });

  test('never runs as root, even below a folder that only root may enter', async () => {
    const { pid } = await start();
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);
  });

  test('lets nobody in without the password, and keeps that to its owner', async () => {
    const { port } = await start();
    await expect(query(`postgresql://nightshift:guess@127.0.0.1:${port}/nightshift`, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600);
  });

  test('loses nothing that it has acknowledged', async () => {
    const { url } = await start();
    const rows = await query(url, "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') order by name");
    expect(rows).toEqual([
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'synchronous_commit', setting: 'on' },
    ]);
  });

  test('adopts the server of a killed starter, with its data', async () => {
    const starter = await startElsewhere();
    await starter.kill();
    const { pid, url } = await start();
    expect(pid).toBe(starter.pid);
    expect(await query(url, 'select current_user')).toEqual([{ current_user: 'nightshift' }]);
  });

  test('leaves the server of a living starter alone', async () => {
    const starter = await startElsewhere();
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/is used by the process \d+/);
    await starter.kill();
    await start();
  });

  test('comes back on the same port after it was killed in the middle of a long query', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select generate_series(1, 100000) as n');
    const busy = query(first.url, 'select count(*) from kept a, kept b where a.n <> b.n');
    const failed = expect(busy).rejects.toThrow();
    const isBusy = async () => (await query(first.url, "select 1 from pg_stat_activity where state = 'active' and query like 'select count%'")).length > 0;
    await waitFor(isBusy);
    process.kill(first.pid, 'SIGKILL');
    expect(await first.exited).toBe('was ended by SIGKILL');
    const second = await start({ port: first.port });
    expect(await query(second.url, 'select count(*)::int as rows from kept')).toEqual([{ rows: 100000 }]);
    await failed;
  });

  test('does not take a half finished initialisation for a database', async () => {
    mkdirSync(join(dataDir, 'data.new', 'base'), { recursive: true });
    chmodSync(join(dataDir, 'data.new'), 0o700);
    const { url } = await start();
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

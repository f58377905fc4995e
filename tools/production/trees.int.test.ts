import { chmodSync, globSync, lstatSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '@nightshift/runtime';
import { type FakeEndpoint, type FakeModel, infrastructure, startFakeEndpoint, startFakeModel, type TestDatabase, testDatabase, uniqueName, waitFor } from '@nightshift/testing';
import { Kafka, logLevel } from 'kafkajs';
import { runCommand } from '../command.ts';
import type { Server } from '../infrastructure/server.ts';
import { bare, runProgram, startFromTree, startServices } from './installation.ts';

const root = join(import.meta.dirname, '../..');
const apps = ['billing', 'engine-orchestrator', 'gateway', 'runs', 'standalone', 'tool-executor', 'webhook-dispatcher'];
const running: Server[] = [];
let folder: string;
let trees: string;
let printed: string;
let database: TestDatabase;
let model: FakeModel;
let endpoint: FakeEndpoint;
let pages: HttpServer;

const write = (app: string, to: string) => runCommand(process.execPath, [join(root, 'tools/production-tree.ts'), app, to], { cwd: '/', quiet: true, env: bare });
const digestOf = (output: string, app: string) => new RegExp(`^${app}: .*sha256:([0-9a-f]{64})$`, 'm').exec(output)?.[1];

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'production-')));
  // The account that PostgreSQL runs under when we are root passes through it.
  chmodSync(folder, 0o711);
  trees = join(folder, 'trees');
  [printed, database, model, endpoint] = await Promise.all([write('all', trees), testDatabase({ template: 'production trees', migrate: () => Promise.resolve() }), startFakeModel(), startFakeEndpoint()]);
  pages = createServer((_, res) => void res.setHeader('content-type', 'text/html').end('<title>A page</title><article><p>Words of a page that is read in a thread.</p></article>'));
  await new Promise<void>((settle) => pages.listen(0, '127.0.0.1', settle));
}, 240_000);
afterAll(async () => {
  await Promise.all(running.map((server) => server.stop()));
  await Promise.all([model?.close(), endpoint?.close(), database?.drop(), new Promise((settle) => pages?.close(settle))]);
  rmSync(folder, { recursive: true, force: true });
});

/** Every entry below the folder of an app, as paths in the tree. */
const entriesOf = (app: string) => globSync('**', { cwd: join(trees, app), withFileTypes: true }).map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));

test('there is a tree for every app', () => {
  expect(readdirSync(trees).toSorted()).toEqual(apps);
});

describe.each(apps)('the tree of %s', (app) => {
  test('holds production packages alone', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, { dev?: boolean; link?: boolean }> };
    const found = globSync('node_modules/{*,@*/*}/package.json', { cwd: join(trees, app) }).map(dirname);
    expect(found.length).toBeGreaterThan(50);
    expect(found.filter((path) => packages[path] === undefined || packages[path].dev === true)).toEqual([]);
  });

  test('holds no sources, no types, no tests, and nothing of other apps but what is migrated', () => {
    const paths = entriesOf(app).flatMap(({ entry, path }) => (entry.isFile() ? [path.slice(join(trees, app).length + 1)] : []));
    const others = (path: string) => path.startsWith('apps/') && app !== 'standalone' && !path.startsWith(`apps/${app}/`) && !path.endsWith('/migration.sql');
    expect(paths.filter((path) => /(\.d\.[cm]?ts|\.tsbuildinfo|^(apps|libs)\/.*(\.ts|\.test\..*))$/.test(path) || others(path))).toEqual([]);
  });

  test('leads nowhere else, by a link or by the name of the folder that it was built in', () => {
    const entries = entriesOf(app);
    expect(entries.filter(({ path }) => !realpathSync(path).startsWith(join(trees, app)))).toEqual([]);
    const ours = entries.filter(({ entry, path }) => entry.isFile() && !path.includes('/node_modules/'));
    expect(ours.length).toBeGreaterThan(50);
    expect(ours.filter(({ path }) => readFileSync(path, 'utf8').includes(root))).toEqual([]);
  });
});

test('the same input gives the same files, with the same modes and times', async () => {
  const umask = process.umask(0o077);
  try {
    const again = join(folder, 'again');
    expect(digestOf(await write('billing', again), 'billing')).toBe(digestOf(printed, 'billing'));
    expect(lstatSync(join(again, 'main.js'))).toMatchObject({ mode: 0o100644, mtimeMs: lstatSync(join(trees, 'billing/main.js')).mtimeMs });
    expect(lstatSync(join(again, 'apps')).mtimeMs).toBe(lstatSync(join(trees, 'billing/apps')).mtimeMs);
  } finally {
    process.umask(umask);
  }
});

test('topics.js makes what is missing, that of pools as well, and gives short topics their partitions', async () => {
  const pool = uniqueName('p').replaceAll('_', '-');
  const brokers = infrastructure().kafkaBrokers;
  const admin = new Kafka({ clientId: 'test', brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic: `tool.completed.${pool}`, numPartitions: 1 }] });
    const topics = () => runProgram(join(trees, 'gateway'), 'topics.js', { KAFKA_BROKERS: brokers, POOLS: pool, TOPIC_PARTITIONS: '5' });
    expect(await topics()).toContain(`"extended":["tool.completed.${pool}"]`);
    const names = ['run.commanded', 'tool.commanded', 'tool.completed'].map((topic) => `${topic}.${pool}`);
    const made = async () => (await admin.fetchTopicMetadata({ topics: names })).topics.map(({ name, partitions }) => `${name} ${partitions.length}`).toSorted();
    // Brokers hear of a change a moment after it was made.
    await waitFor(async () => (await made()).join() === names.map((name) => `${name} 5`).join(), { describe: 'five partitions of each' });
    expect(await topics()).toContain('"created":[],"extended":[]');
  } finally {
    await admin.disconnect();
  }
});

async function get(url: string, apiKey: string): Promise<{ status: number; body: string }> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${apiKey}` } });
  return { status: response.status, body: await response.text() };
}

/** Posts a run and waits for its end. */
async function run(url: string, apiKey: string, body: object): Promise<{ status: string; result?: { answer: unknown } }> {
  const response = await fetch(`${url}/v1/runs`, { method: 'POST', headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }, body: JSON.stringify({ engine: 'tim', ...body }) });
  const { runId } = (await response.json()) as { runId: string };
  return waitFor(async () => {
    const view = JSON.parse((await get(`${url}/v1/runs/${runId}`, apiKey)).body) as { status: string };
    return /^(queued|running)$/.test(view.status) ? undefined : view;
  }, { timeoutMs: 60_000, describe: `the end of ${runId}` });
}

const weather = () => ({ type: 'function', name: 'weather', description: 'Knows the weather', url: `${endpoint.url}/tool/echo`, method: 'POST', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } });
const page = () => ({ type: 'platform', id: 'page_reader', options: { url: `http://127.0.0.1:${(pages.address() as AddressInfo).port}/` } });

test('migrated by migrate.js, the six services work from their trees, reading nothing else and writing no file', async () => {
  const { kafkaBrokers, redisUrl } = infrastructure();
  const migrate = () => runProgram(join(trees, 'runs'), 'migrate.js', { DATABASE_URL: database.url });
  const both = await Promise.all([migrate(), migrate()]);
  expect(both.join('').match(/"0001_init"/g)).toHaveLength(6);

  const environment = { DATABASE_URL: database.url, KAFKA_BROKERS: kafkaBrokers, REDIS_URL: redisUrl, UPSTREAM_BASE_URL: `${model.url}/v1`, UPSTREAM_MODEL: 'fake-model', EGRESS_ALLOW: '127.0.0.0/8', LOG_LEVEL: 'info', LOG_FORMAT: 'json' };
  const { servers, url, apiKey } = await startServices(trees, folder, environment);
  running.push(...servers);
  const logs = () => globSync('*/app.log', { cwd: folder }).map((path) => readFileSync(join(folder, path), 'utf8')).join('');
  expect(logs()).not.toContain('"migrated"');

  expect(await run(url, apiKey, { input: { instructions: '[[tools:1 answer:"all done"]]', tools: [weather()] }, output: { callbackUrl: `${endpoint.url}/hook` } })).toMatchObject({ status: 'succeeded', result: { answer: 'all done' } });
  expect(await run(url, apiKey, { input: { instructions: '[[tools:1 tool:"page_reader" answer:"read"]]', tools: [page()] } })).toMatchObject({ status: 'succeeded' });
  expect(JSON.stringify(model.recent())).toContain('Words of a page');
  await waitFor(() => endpoint.requests({ prefix: '/hook' }).length === 1, { timeoutMs: 30_000 });
  expect(endpoint.requests({ prefix: '/tool/echo' })).toHaveLength(1);
  for (const path of ['/openapi.json', '/docs', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js']) expect([path, (await get(`${url}${path}`, apiKey)).status]).toEqual([path, 200]);

  await Promise.all(running.splice(0).map((server) => server.stop()));
  expect(await Promise.all(servers.map(({ exited }) => exited))).toEqual(servers.map(() => 'ended with code 0'));
  expect(logs()).not.toMatch(/ERR_ACCESS_DENIED|ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND/);
});

test('standalone works from its tree, and leaves it as it was', async () => {
  const tree = join(trees, 'standalone');
  const dataDir = join(folder, 'data');
  const port = await freePort();
  const env = { PORT: String(port), ADMIN_PORT: String(await freePort()), DATA_DIR: dataDir, TMPDIR: folder, BOOTSTRAP_API_KEY: 'sk-production-tree', PATH: process.env['PATH'] ?? '' };
  const before = entriesOf('standalone').length;
  const server = await startFromTree(tree, { folder: join(folder, 'standalone'), port, env, flags: [] });
  running.push(server);
  expect(await run(server.address, 'sk-production-tree', { input: { instructions: 'Say hello' } })).toMatchObject({ status: 'succeeded' });
  expect((await get(`${server.address}/docs/swagger-ui.css`, '')).status).toBe(200);
  await running.splice(0)[0]?.stop();
  expect(await server.exited).toBe('ended with code 0');
  expect(entriesOf('standalone')).toHaveLength(before);
});

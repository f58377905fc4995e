import { describe, expect, test } from '@jest/globals';
import { Kafka, logLevel } from 'kafkajs';
import { createHmac, randomUUID } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { environmentOf, pidOf } from './processes.ts';
import { type ProductState, shapes } from './product.ts';
import { functionTool } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Place = { readonly name: string; readonly text: string };

function databaseUrl({ shape, dataDir }: ProductState): string {
  if (shape === 'cluster') return environmentOf(pidOf(dataDir, 'runs-1'))['DATABASE_URL'] ?? '';
  const [password, port] = ['password', 'port'].map((file) => readFileSync(join(dataDir, 'postgres', file), 'utf8').trim());
  return `postgres://nightshift:${password}@127.0.0.1:${port}/nightshift`;
}

/** Every row of every table of ours. */
async function tables(product: ProductState): Promise<Place[]> {
  const client = new pg.Client({ connectionString: databaseUrl(product) });
  await client.connect();
  try {
    const { rows: names } = await client.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
    );
    const places: Place[] = [];
    for (const { name } of names) {
      const { rows } = await client.query<{ text: string }>(`select t::text as text from ${name} t`);
      places.push({ name, text: rows.map(({ text }) => text).join('\n') });
    }
    return places;
  } finally {
    await client.end();
  }
}

/** Every message of every topic, with its key and headers. */
async function topics({ shape, dataDir }: ProductState): Promise<Place[]> {
  if (shape !== 'cluster') return [];
  const brokers = environmentOf(pidOf(dataDir, 'runs-1'))['KAFKA_BROKERS']?.split(',') ?? [];
  const kafka = new Kafka({ clientId: 'secrets', brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId: `secrets-${randomUUID()}`, rebalanceTimeout: 5000, sessionTimeout: 6000 });
  await Promise.all([admin.connect(), consumer.connect()]);
  try {
    const names = (await admin.listTopics()).filter((name) => !name.startsWith('__'));
    const ends = await Promise.all(names.map((name) => admin.fetchTopicOffsets(name)));
    const open = new Set(names.flatMap((name, index) => ends[index]!.filter(({ low, high }) => low !== high).map(({ partition }) => `${name}/${partition}`)));
    const last = new Map(names.flatMap((name, index) => ends[index]!.map(({ partition, high }) => [`${name}/${partition}`, Number(high) - 1])));
    const places: Place[] = [];
    await consumer.subscribe({ topics: names, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ topic, partition, message }) => {
        const headers = Object.values(message.headers ?? {}).map(String);
        places.push({ name: topic, text: [String(message.key), String(message.value), ...headers].join('\n') });
        if (Number(message.offset) >= (last.get(`${topic}/${partition}`) ?? 0)) open.delete(`${topic}/${partition}`);
        return Promise.resolve();
      },
    });
    await until(() => open.size === 0, { timeoutMs: 60_000, what: () => `the rest of ${[...open].join(', ')}` });
    return places;
  } finally {
    await Promise.all([consumer.disconnect(), admin.disconnect()]);
  }
}

function logs({ dataDir }: ProductState): Place[] {
  return globSync('**/*.log', { cwd: dataDir }).map((name) => ({ name, text: readFileSync(join(dataDir, name), 'utf8') }));
}

describe.each(shapes)('what is secret in %s', (shape) => {
  const on = stage(shape);

  test('stands in no table, no topic and no log in the clear, and reaches the tool that it is meant for', async () => {
    const secret = (name: string) => `canary-${name}-${randomUUID()}`;
    const [header, fallback, token, saved, webhook, run] = [secret('header'), secret('default'), secret('token'), secret('saved'), secret('webhook'), randomUUID()];
    const more = { headers: { 'x-secret': header }, defaults: { password: fallback } };
    const kept = functionTool(`kept-${run}`, `${on.endpoint.url}/tool/text/kept/${run}`, { headers: { 'x-secret': saved }, defaults: { password: saved } });
    expect((await on.api.call('POST', '/v1/tools', { body: kept, headers: { 'idempotency-key': run } })).status).toBe(201);
    expect((await on.api.call('POST', `/v1/tools/${kept.name}/test`, { body: {} })).status).toBe(200);
    const subscription = { callbackUrl: `${on.endpoint.url}/subscribed/${run}`, eventTypes: ['job.succeeded'], secret: webhook, headers: { authorization: `Bearer ${webhook}` } };
    expect((await on.api.call('POST', '/v1/webhooks/subscriptions', { body: subscription, headers: { 'idempotency-key': run } })).status).toBe(201);
    const tools = [
      functionTool('text', `${on.endpoint.url}/tool/text/${run}`, more),
      functionTool('broken', `${on.endpoint.url}/tool/status/500?run=${run}`, more),
      functionTool('unreachable', 'http://127.0.0.1:9/', more),
      { type: 'platform', id: kept.name },
      { type: 'mcp', url: 'http://127.0.0.1:9/mcp', auth: { type: 'bearer', token } },
    ];
    const ended = await on.completed({ run, tools: 1, parallel: 4 }, { input: { tools }, output: { callbackUrl: `${on.endpoint.url}/hook/${run}` } });
    expect(ended.status).toBe('succeeded');
    await on.arrival(`/hook/${run}`, ended.runId);
    const told = await on.arrival(`/subscribed/${run}`, ended.runId);
    expect(told.headers).toMatchObject({ authorization: `Bearer ${webhook}`, 'x-webhook-signature': createHmac('sha256', webhook).update(told.body).digest('hex') });
    const [call] = on.endpoint.requests({ prefix: `/tool/text/${run}` });
    expect([call?.headers['x-secret'], call?.body]).toEqual([header, expect.stringContaining(fallback)]);
    expect(on.endpoint.requests({ prefix: `/tool/text/kept/${run}` }).map(({ headers }) => headers['x-secret'])).toEqual([saved, saved]);

    const places = [...(await tables(on.product)), ...(await topics(on.product)), ...logs(on.product)];
    expect(places.filter(({ text }) => text.includes(ended.runId)).length).toBeGreaterThan(3);
    const secrets = { header, fallback, token, saved, webhook, apiKey: on.api.key, adminToken: on.product.adminToken, upstream: 'upstream-key' };
    const found = Object.entries(secrets).flatMap(([name, value]) => places.filter(({ text }) => text.includes(value)).map((place) => `${name} in ${place.name}`));
    expect(found).toEqual([]);
  });
});

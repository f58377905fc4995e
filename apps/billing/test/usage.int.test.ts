import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type Database, statement } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { type TestDatabase, waitFor } from '@nightshift/testing';
import { type Answer, type Biller, billingDatabase, ended, startBiller, turn } from './biller.ts';

let database: TestDatabase;
let db: Database;
let billers: Biller[] = [];

beforeAll(async () => {
  database = await billingDatabase();
  // Only what drops the database may end its connections.
  db = connect({ url: database.url, max: 1, name: 'test', onError: () => undefined });
});
afterEach(async () => {
  await Promise.all(billers.map((biller) => biller.stop()));
  billers = [];
  await db.query(statement('test.clear', 'truncate billing.usage_events, billing.finished_runs, billing.dead_letters'));
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

async function start(answer?: Answer): Promise<Biller> {
  const biller = await startBiller(database.url, answer);
  billers.push(biller);
  return biller;
}

const MARCH = 'orgId=org_1&from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z';
const nothing = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: 0, runs: 0, costMicroUsd: 0 };
const times = (turns: number, runs: number) => ({ inputTokens: 100 * turns, outputTokens: 10 * turns, cachedInputTokens: turns, toolCalls: 3 * turns, runs, costMicroUsd: 1000 * turns });

describe('usage', () => {
  test('is counted once per turn and run, however often and wherever it is told', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    const turns = Array.from({ length: 40 }, (_, step) => turn('run_a', step));
    await Promise.all([one.recorded(...turns, ...turns), two.recorded(...turns.toReversed()), one.finished(ended('run_a'), ended('run_a')), two.finished(ended('run_a'))]);
    await one.recorded(...turns);
    expect((await one.get(MARCH)).body).toEqual({ from: '2026-03-01T00:00:00.000Z', to: '2026-04-01T00:00:00.000Z', total: times(40, 1), groups: [] });
  });

  test('that was recorded first is what counts, whatever is told later under the same step', async () => {
    const biller = await start();
    await biller.recorded(turn('run_a', 0));
    await biller.recorded(turn('run_a', 0, { inputTokens: 999_999, recordedAt: '2026-03-11T00:00:00.000Z' }));
    expect((await biller.get(MARCH)).body).toMatchObject({ total: times(1, 0) });
  });

  test('of another organisation is not seen', async () => {
    const biller = await start();
    await biller.recorded(turn('run_a', 0), turn('run_b', 0, { orgId: 'org_2' }));
    await biller.finished(ended('run_b', { orgId: 'org_2' }));
    expect((await biller.get(MARCH)).body).toMatchObject({ total: times(1, 0) });
    expect((await biller.get(MARCH.replace('org_1', 'org_3'))).body).toMatchObject({ total: nothing, groups: [] });
  });

  test('adds up beyond 32 bits', async () => {
    const biller = await start();
    const large = 2_000_000_000;
    await biller.recorded(...[0, 1, 2].map((step) => turn('run_a', step, { inputTokens: large, costMicroUsd: 4 * large })));
    expect((await biller.get(MARCH)).body).toMatchObject({ total: { inputTokens: 3 * large, costMicroUsd: 12 * large } });
  });

  test('that cannot be counted becomes a dead letter, and what came with it is counted', async () => {
    const biller = await start();
    await biller.recorded(turn('run_a', 0), turn('run_b', 0, { toolCalls: { web_search: 3_000_000_000 } }), turn('run_c', 0));
    expect((await biller.get(MARCH)).body).toMatchObject({ total: times(2, 0) });
    const letters = await db.query<{ key: string }>(statement('test.letters', 'select key from billing.dead_letters'));
    expect(letters).toEqual([{ key: 'run_b' }]);
  });
});

describe('a period', () => {
  test('holds its first moment and not its last', async () => {
    const biller = await start();
    const moments = ['2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00.000Z', '2026-03-31T23:59:59.999Z', '2026-04-01T00:00:00.000Z'];
    await biller.recorded(...moments.map((recordedAt, step) => turn('run_a', step, { recordedAt })));
    await biller.finished(...moments.map((completedAt) => ended(newId('run'), { completedAt })));
    expect((await biller.get(MARCH)).body).toMatchObject({ total: times(2, 2) });
  });

  test('is the current month when none is asked for', async () => {
    const biller = await start();
    const now = new Date();
    await biller.recorded(turn('run_a', 0, { recordedAt: now.toISOString() }), turn('run_b', 0, { recordedAt: '2020-01-01T00:00:00.000Z' }));
    const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)).toISOString();
    expect((await biller.get('orgId=org_1')).body).toMatchObject({ from, total: times(1, 0) });
  });

  test.each([
    ['that ends before it begins', 'from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z', /from/],
    ['with a bound that is no time', 'from=yesterday', /from/],
    ['with a bound that is a day', 'to=2026-03-01', /to/],
    ['with an unknown group', 'groupBy=model', /groupBy/],
  ])('%s is an invalid request', async (_, query, message) => {
    const biller = await start();
    const { status, body } = await biller.get(`orgId=org_1&${query}`);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { code: 'invalid_request', message: expect.stringMatching(message) } });
  });
});

describe('groups', () => {
  async function varied(): Promise<Biller> {
    const biller = await start();
    await biller.recorded(
      turn('run_a', 0),
      turn('run_a', 1, { recordedAt: '2026-03-10T23:59:59.999Z' }),
      turn('run_b', 0, { engine: 'tim-large', apiKeyId: 'key_2', recordedAt: '2026-03-11T00:00:00.000Z' }),
    );
    await biller.finished(ended('run_a'), ended('run_b', { engine: 'tim-large', apiKeyId: 'key_2', completedAt: '2026-03-12T00:00:00.000Z' }));
    return biller;
  }

  test.each([
    ['day', [{ key: '2026-03-10', ...times(2, 1) }, { key: '2026-03-11', ...times(1, 0) }, { key: '2026-03-12', ...times(0, 1) }]],
    ['engine', [{ key: 'tim-gpt', ...times(2, 1) }, { key: 'tim-large', ...times(1, 1) }]],
    ['key', [{ key: 'key_1', ...times(2, 1) }, { key: 'key_2', ...times(1, 1) }]],
  ])('by %s are sorted and add up to the total', async (groupBy, groups) => {
    const biller = await varied();
    const { body } = await biller.get(`${MARCH}&groupBy=${groupBy}`);
    expect(body).toEqual({ from: '2026-03-01T00:00:00.000Z', to: '2026-04-01T00:00:00.000Z', total: times(3, 2), groups });
  });

  test('by day are UTC days, whatever the zone of the database', async () => {
    await db.query(statement('test.zone', `do $$ begin execute format('alter database %I set timezone to ''Pacific/Kiritimati''', current_database()); end $$`));
    const biller = await varied();
    const { body } = await biller.get(`${MARCH}&groupBy=day`);
    expect((body as { groups: { key: string }[] }).groups.map((group) => group.key)).toEqual(['2026-03-10', '2026-03-11', '2026-03-12']);
  });
});

test('what was told while nobody listened is asked for at the start, until the producers answer', async () => {
  let failures = 1;
  const first = await start();
  await first.recorded(turn('run_a', 0));
  await start((neighbour, cursor) => {
    if (neighbour === 'runs') return { body: { events: [ended('run_a'), ended('run_b')], nextCursor: null } };
    if (failures-- > 0) return { status: 503, body: { error: { code: 'service_unavailable', message: 'starting' } } };
    return { body: cursor === null ? { events: [turn('run_a', 0), turn('run_a', 1)], nextCursor: '["x"]' } : { events: [turn('run_b', 0)], nextCursor: null } };
  });
  await waitFor(async () => {
    expect((await first.get(MARCH)).body).toMatchObject({ total: times(3, 2) });
    return true;
  });
});

test('usage is told to the other services only', async () => {
  const biller = await start();
  expect(await biller.get(MARCH, 'wrong')).toMatchObject({ status: 401 });
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@nightshift/std';
import { newRun, runsStage, usage } from './stage.ts';

let on: Awaited<ReturnType<typeof runsStage>>;

beforeAll(async () => void (on = await runsStage()));
afterEach(() => on.clear());
afterAll(() => on.close());

async function create(count: number, more: Parameters<typeof newRun>[0] = {}): Promise<string[]> {
  const store = on.store();
  const runs = Array.from({ length: count }, () => newRun(more));
  await Promise.all(runs.map((run) => store.create(run)));
  return runs.map(({ runId }) => runId);
}

/** Walks through all pages; `between` happens after each of them. */
async function walk(limit: number, between: () => Promise<unknown> = () => Promise.resolve()): Promise<string[][]> {
  const pages: string[][] = [];
  for (let cursor: string | undefined | null; cursor !== null; await between()) {
    const page = await on.reader.list('org_1', { limit, cursor });
    pages.push(page.runs.map(({ runId }) => runId));
    cursor = page.nextCursor;
  }
  return pages;
}

describe('the list of runs', () => {
  test('is newest first, an organisation’s own, and ends with a null cursor', async () => {
    const ids = await create(7);
    await create(3, { orgId: 'org_2' });
    const pages = await walk(3);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(ids.toSorted().toReversed());
    expect(await walk(7)).toHaveLength(1);
    expect((await on.reader.list('org_3', { limit: 5 }))).toEqual({ runs: [], nextCursor: null });
  });

  test('neither repeats nor misses a run that was there, while others are inserted at every place', async () => {
    const ids = await create(40);
    const insert = async () => {
      await create(3);
      // A run whose id was made a while ago, and whose insert was slow.
      await create(1, { runId: newId('run', Date.now() - 60_000) });
      const store = on.store();
      await store.create(newRun({ runId: `${ids[20]!.slice(0, -12)}${newId('run').slice(-12)}` }));
    };
    const seen = (await walk(4, insert)).flat();
    expect(new Set(seen).size).toBe(seen.length);
    expect(ids.filter((id) => !seen.includes(id))).toEqual([]);
    expect(seen).toEqual(seen.toSorted().toReversed());
  });

  test.each(['nonsense', Buffer.from('run_1').toString('base64url'), Buffer.from("run_' or 1=1 --").toString('base64url'), ''])('refuses the cursor "%s", which it never gave', async (cursor) => {
    await expect(on.reader.list('org_1', { limit: 5, cursor })).rejects.toMatchObject({ code: 'invalid_request', details: { fields: { cursor: expect.any(String) } } });
  });
});

describe('runs that have ended', () => {
  const end = (ids: readonly string[]) => on.store().apply(ids.map((runId) => ({ runId, event: { kind: 'outcome', usage, outcome: { status: 'succeeded', result: { answer: runId } } } })));

  test('are told to who may have missed them, each once, also those that ended in the same moment', async () => {
    const ids = await create(1203);
    await end(ids);
    await create(2);
    const seen: string[] = [];
    for (let cursor: string | undefined | null; cursor !== null; ) {
      const page = await on.reader.finishedSince({ sinceMs: 3_600_000, cursor });
      seen.push(...page.events.map(({ runId }) => runId));
      cursor = page.nextCursor;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
  });

  test('are told no further back than asked for', async () => {
    const [old, fresh] = await create(2) as [string, string];
    await end([old, fresh]);
    await on.sql("update runs.runs set completed_at = now() - interval '2 hours' where id = $1", [old]);
    const { events } = await on.reader.finishedSince({ sinceMs: 3_600_000 });
    expect(events).toEqual([expect.objectContaining({ runId: fresh, traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) })]);
  });

  test('have their whole body for a webhook on request; runs that have not ended are left out', async () => {
    const [ended, open] = await create(2, { callbackUrl: 'https://example.com/hook' }) as [string, string];
    await on.store().apply([{ runId: ended, event: { kind: 'outcome', usage, outcome: { status: 'succeeded', result: { answer: 'x'.repeat(100_000) } } } }]);
    const events = await on.reader.finished([open, ended, newId('run')]);
    expect(events.map(({ runId }) => runId)).toEqual([ended]);
    expect(events[0]?.body?.result?.answer).toHaveLength(100_000);
    expect((await on.reader.finishedSince({ sinceMs: 60_000 })).events[0]).not.toHaveProperty('body');
    await expect(on.reader.request(newId('run'))).rejects.toMatchObject({ code: 'not_found' });
  });
});

test('the queues of dedicated pools are told, and not that of the shared one nor runs that have begun', async () => {
  const [first, begun] = await create(3, { pool: 'acme' }) as [string, string];
  await create(1, { pool: 'globex' });
  await create(2);
  await on.store().apply([{ runId: begun, event: { kind: 'started' } }]);
  await on.sql("update runs.runs set created_at = now() - interval '1 minute' where id = $1", [first]);
  const queues = await on.reader.queues();
  expect(queues.map(({ pool, waiting }) => [pool, waiting.count])).toEqual([['acme', 2], ['globex', 1]]);
  expect(queues[0]?.waiting.oldestSeconds).toBeGreaterThanOrEqual(60);
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type FakeEndpoint, startFakeEndpoint, waitFor } from '@nightshift/testing';
import { callStage, newCall } from './stage.ts';

let on: Awaited<ReturnType<typeof callStage>>;
let fake: FakeEndpoint;

beforeAll(async () => {
  on = await callStage();
  fake = await startFakeEndpoint();
});
afterEach(async () => {
  await on.clear();
  fake.reset();
});
afterAll(async () => {
  await fake.close();
  await on.close();
});

const url = (path: string) => `${fake.url}/tool/${path}`;
const ended = (id: string) => waitFor(async () => (await on.row(id))?.result, { describe: 'the end of the call' });

describe('calls of one organisation to one host', () => {
  const heldNow = async () => Number((await on.sql<{ held: string }>('select count(*) as held from tools.calls where lease_until > now()'))[0]!.held);

  test('are at most as many at a time as it may have, and none waits for a poll', async () => {
    const calls = Array.from({ length: 30 }, () => newCall(url('echo?ms=20')));
    let heldMax = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) heldMax = Math.max(heldMax, await heldNow());
    })();
    await on.executor({ laneMax: 3 }).begin(calls);
    for (const { id } of calls) await ended(id);
    isOver = true;
    await watching;
    expect(heldMax).toBe(3);
    expect([...fake.effects().values()].map((list) => list.length)).toEqual(calls.map(() => 1));
  });

  test('count over all executors', async () => {
    const hanging = () => Array.from({ length: 4 }, () => newCall(url('echo?hang=9')));
    await on.executor({ laneMax: 3 }).begin(hanging());
    await on.executor({ laneMax: 3 }).begin(hanging());
    await waitFor(() => fake.requests().length === 3);
    expect(await heldNow()).toBe(3);
  });

  test('leave room for those to other hosts and of other organisations', async () => {
    const other = await startFakeEndpoint();
    const { begin } = on.executor({ slots: 4, laneMax: 2 });
    const hanging = Array.from({ length: 4 }, () => newCall(url('echo?hang=9')));
    await begin(hanging);
    const [elsewhere, another] = [newCall(`${other.url}/tool/echo`), newCall(url('echo'), { orgId: 'org_2' })];
    await begin([elsewhere]);
    await begin([another]);
    expect([await ended(elsewhere.id), await ended(another.id)]).toMatchObject([{ isError: false }, { isError: false }]);
    await waitFor(() => fake.requests().length >= 2);
    expect((await on.sql<{ held: boolean }>('select lease_until is not null as held from tools.calls where id = any($1) order by held', [hanging.map(({ id }) => id)])).map(({ held }) => held)).toEqual([false, false, true, true]);
    await other.close();
  });

  test('that wait are made when one is canceled', async () => {
    const { begin, calls, loop } = on.executor({ laneMax: 1 });
    const [hanging, next] = [newCall(url('echo?hang=1')), newCall(url('echo'))];
    await begin([hanging]);
    await waitFor(() => fake.requests().length === 1);
    await begin([next]);
    await calls.cancel([hanging]);
    loop.cancel(hanging.id);
    expect(await ended(next.id)).toMatchObject({ isError: false });
  });

  test('of one turn run side by side', async () => {
    const waiting: (() => void)[] = [];
    const together = createServer((_req, res) => {
      waiting.push(() => res.end('{}'));
      if (waiting.length === 8) for (const answer of waiting) answer();
    });
    await new Promise<void>((resolve) => together.listen(0, '127.0.0.1', resolve));
    const calls = Array.from({ length: 8 }, () => newCall(`http://127.0.0.1:${(together.address() as AddressInfo).port}/`));
    await on.executor().begin(calls);
    for (const { id } of calls) expect(await ended(id)).toEqual({ isError: false, content: {} });
    await new Promise((resolve) => void together.close(resolve).closeAllConnections());
  });
});

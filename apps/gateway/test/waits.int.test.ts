import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError, type RunStatus } from '@nightshift/contracts';
import { InternalClient } from '@nightshift/http';
import { announceEnds, type Hints, InProcessHints, RedisHints } from '@nightshift/run-stream';
import { createLog } from '@nightshift/runtime';
import { newId } from '@nightshift/std';
import { infrastructure, waitFor } from '@nightshift/testing';
import { RunsClient } from '../src/runs.client.ts';
import { RunWaits } from '../src/run-waits.client.ts';

const log = createLog({ level: 'silent', format: 'json' });
const at = new Date(0).toISOString();

/** The owner of runs as the gateway sees it: what it is asked, and what it says. */
class OwnerOfRuns {
  readonly statuses = new Map<string, RunStatus>();
  looks = 0;
  isAway = false;
  /** How often an answer that nobody understands was given for runs that have ended. */
  confusions = 0;
  isConfused = false;
  /** False: it says of no run that it has ended, so only hints wake. */
  tells = true;

  readonly client = new RunsClient(
    new InternalClient(({ path, body }) => {
      if (this.isConfused && path === '/internal/ended-runs') {
        this.confusions += 1;
        return Promise.resolve({ status: 200, body: '<html>' });
      }
      if (this.isAway) return Promise.reject(new AppError('service_unavailable'));
      const [status, value] = path === '/internal/ended-runs' ? this.#ended(JSON.parse(body ?? '') as { runIds: string[] }) : this.#look(new URL(path, 'http://runs'));
      return Promise.resolve({ status, body: JSON.stringify(value) });
    }, 'token'),
  );

  #ended({ runIds }: { runIds: string[] }): [number, object] {
    return [200, { runIds: runIds.filter((id) => this.tells && this.statuses.get(id) !== 'running') }];
  }

  #look({ pathname, searchParams }: URL): [number, object] {
    this.looks += 1;
    const runId = pathname.split('/').at(-1)!;
    const status = this.statuses.get(runId);
    if (status === undefined || searchParams.get('orgId') !== 'org_1') return [404, { error: { code: 'not_found', message: 'none' } }];
    return [200, { runId, status, engine: 'tim', createdAt: at, updatedAt: at, ...(status === 'succeeded' && { result: { answer: searchParams.get('answerEncoding') } }) }];
  }
}

const kinds: [string, () => Hints][] = [
  ['within a process', () => new InProcessHints()],
  ['over Redis', () => new RedisHints({ url: infrastructure().redisUrl, log })],
];

describe.each(kinds)('who waits for a run, with hints %s', (_, makeHints) => {
  let hints: Hints;
  let owner: OwnerOfRuns;
  let waits: RunWaits;
  let gone = new AbortController();
  beforeAll(() => void (hints = makeHints()));
  afterAll(() => hints.close());
  afterEach(() => gone.abort());

  function stage(): string {
    owner = new OwnerOfRuns();
    waits = new RunWaits(owner.client, hints, log);
    gone = new AbortController();
    const runId = newId('run');
    owner.statuses.set(runId, 'running');
    return runId;
  }
  const wait = (runId: string, timeoutMs?: number) => waits.wait({ runId, orgId: 'org_1', encoding: 'string', gone: gone.signal, ...(timeoutMs !== undefined && { timeoutMs }) });
  const looked = (times: number) => waitFor(() => owner.looks === times);

  test('is told by a hint when it ends, also with others at once', async () => {
    await waitFor(() => hints.health().length === 0);
    const runId = stage();
    owner.tells = false;
    const waiting = [wait(runId), wait(runId, 60_000), wait(runId)];
    await looked(3);
    owner.statuses.set(runId, 'succeeded');
    const announce = announceEnds(hints);
    await waitFor(() => {
      // A subscription may begin a little after it was asked for.
      for (const id of [newId('run'), runId]) announce(id);
      return owner.looks === 6;
    });
    for (const run of await Promise.all(waiting)) expect(run).toMatchObject({ runId, status: 'succeeded', result: { answer: 'string' } });
  });

  test('is told soon when the hint was lost', async () => {
    const runId = stage();
    const waiting = wait(runId);
    await looked(1);
    owner.statuses.set(runId, 'canceled');
    expect(await waiting).toMatchObject({ status: 'canceled' });
  });

  test('is told at once of a run that has ended, and that there is none of another organisation', async () => {
    const runId = stage();
    owner.statuses.set(runId, 'failed');
    expect(await wait(runId)).toMatchObject({ status: 'failed' });
    await expect(wait(newId('run'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(waits.wait({ runId, orgId: 'org_2', gone: gone.signal })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('sees the run as it stands when the time is up', async () => {
    const runId = stage();
    expect(await wait(runId, 0)).toMatchObject({ runId, status: 'running' });
    expect(await wait(runId, 30)).toMatchObject({ runId, status: 'running' });
  });

  test('waits on while the owner of runs is away', async () => {
    const runId = stage();
    owner.isAway = true;
    const waiting = wait(runId);
    owner.statuses.set(runId, 'succeeded');
    owner.isAway = false;
    expect(await waiting).toMatchObject({ status: 'succeeded' });
    owner.isAway = true;
    await expect(wait(runId, 0)).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  test('waits on while the owner of runs answers what nobody understands', async () => {
    const runId = stage();
    owner.isConfused = true;
    const waiting = wait(runId);
    await waitFor(() => owner.confusions > 1);
    owner.isConfused = false;
    owner.statuses.set(runId, 'succeeded');
    expect(await waiting).toMatchObject({ status: 'succeeded' });
  });

  test('is forgotten when it goes away', async () => {
    const runId = stage();
    const waiting = wait(runId);
    await looked(1);
    gone.abort();
    expect(await waiting).toMatchObject({ status: 'running' });
    await waits.drain(new AbortController().signal, 60_000);
    expect(await wait(runId)).toMatchObject({ status: 'running' });
  });

  test('is answered at once by a process that stops, if the wait has a limit; otherwise when it can wait no longer', async () => {
    const runId = stage();
    const [brief, long] = [wait(runId, 60_000), wait(runId)];
    await looked(2);
    waits.refuse();
    expect(await brief).toMatchObject({ status: 'running' });
    expect(await wait(runId, 60_000)).toMatchObject({ status: 'running' });
    const hurry = new AbortController();
    const drained = waits.drain(hurry.signal, 60_000);
    hurry.abort();
    expect(await long).toMatchObject({ status: 'running' });
    await drained;
  });

  test('is let go when the grace is over', async () => {
    const runId = stage();
    const waiting = wait(runId);
    await waits.drain(new AbortController().signal, 20);
    expect(await waiting).toMatchObject({ status: 'running' });
  });
});

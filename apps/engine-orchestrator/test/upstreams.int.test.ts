import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Engine, RunOutcome, Upstream } from '@nightshift/contracts';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, freePort } from '@nightshift/runtime';
import { type FakeModel, startFakeModel, waitFor } from '@nightshift/testing';
import { type Catalogue, upstreamOf } from '../src/catalogue.ts';
import { startedEvent } from '../src/engine-events.ts';
import type { TurnEntry } from '../src/session.ts';
import { TurnLoop } from '../src/turn.loop.ts';
import { Upstreams } from '../src/upstreams.client.ts';
import { arrived, engineStage, framesOn, LEASE_MS, newSession, nobody, tool } from './stage.ts';

const engine: Engine = { id: 'tim', aliases: [], upstreams: [{ name: 'first', model: 'a' }, { name: 'second', model: 'b' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 10_000 } };
const alone: Engine = { ...engine, upstreams: [{ name: 'first', model: 'a' }] };

let on: Awaited<ReturnType<typeof engineStage>>;
let first: FakeModel;
let second: FakeModel;
const open: { loop: TurnLoop; upstreams: Upstreams }[] = [];

beforeAll(async () => {
  [on, first, second] = await Promise.all([engineStage(), startFakeModel(), startFakeModel()]);
});
afterEach(async () => {
  for (const { loop, upstreams } of open.splice(0)) {
    await loop.drain(AbortSignal.abort());
    await upstreams.close();
  }
  await on.clear();
  first.reset();
  second.reset();
});
afterAll(async () => {
  await first.close();
  await second.close();
  await on.close();
});

type Settings = Partial<Omit<Upstream, 'kind'>> & { readonly kind?: Upstream['kind'] };

/** One engine that works, with these upstreams behind it. */
function engineOf({ engines = [engine], slots = 10, ...upstreams }: { engines?: Engine[]; slots?: number; first?: Settings; second?: Settings } = {}) {
  const settings = (fake: FakeModel, more: Settings = {}) => upstreamOf({ kind: 'openai', baseUrl: fake.baseUrl, ...more }, 'sk-canary', 'KEY');
  const catalogue: Catalogue = { engines, offline: false, upstreams: { first: settings(first, upstreams.first), second: settings(second, upstreams.second) } };
  const made = new Upstreams(catalogue);
  const sessions = on.store();
  const observer = { claimed: () => undefined, leaseLost: () => undefined, backlog: () => undefined, trouble: (err: unknown) => console.error(err) };
  const loop = new TurnLoop({ db: on.db, frames: framesOn(on.db, new InProcessHints()), sessions, upstreams: made, tools: nobody, hints: new InProcessHints(), pool: 'shared', slots, leaseMs: LEASE_MS, observer, log: createLog({ level: 'silent', format: 'json' }) });
  open.push({ loop, upstreams: made });
  loop.start();
  const begin = async (directives: string, more: Parameters<typeof newSession>[0] = {}) => {
    const session = newSession({ claim: false, ...more, request: { instructions: `[[${directives}]]`, tools: [tool('lookup')], ...more.request } });
    await loop.begin(1, (granted) => sessions.insert([{ ...session, claim: granted > 0 }], granted > 0 ? [startedEvent(session)] : []));
    return session.runId;
  };
  return { loop, sessions, begin };
}

const outcomeOf = (runId: string) => waitFor(async () => (await on.sql<{ outcome: RunOutcome | null }>('select outcome from engine.sessions where run_id = $1', [runId]))[0]?.outcome, { describe: 'the end of the session', timeoutMs: 20_000 });
const turnsOf = async (runId: string) => (await on.sql<{ body: TurnEntry }>("select body from engine.journal where run_id = $1 and kind = 'turn' order by step", [runId])).map(({ body }) => body);
const rowOf = async (runId: string) => (await on.row(runId))!;

describe('an engine with two upstreams', () => {
  test.each([
    ['is limited (429)', { kind: 'status', status: 429, retryAfter: '60' }],
    ['fails (500)', { kind: 'status', status: 500 }],
    ['is overloaded (529)', { kind: 'status', status: 529, retryAfter: '60' }],
    ['cuts its stream', { kind: 'cut' }],
    ['does not answer in time', { kind: 'hang' }],
  ] as const)('asks the second at once when the first %s', async (_what, fault) => {
    first.fail(fault);
    const { begin } = engineOf({ first: { firstByteTimeoutMs: 100 } });
    const runId = await begin('run:x answer:"from the second"');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded', result: { answer: 'from the second' } });
    expect([first.record().requests, second.record().requests]).toEqual([1, 1]);
    expect(second.recent()[0]!.body.model).toBe('b');
    expect(await rowOf(runId)).toMatchObject({ upstreamFailures: 0, attempts: 0, step: 1 });
  });

  test('asks the second when nobody listens where the first should be', async () => {
    const { begin } = engineOf({ first: { baseUrl: `http://127.0.0.1:${await freePort()}/v1` } });
    expect(await outcomeOf(await begin('answer:there'))).toMatchObject({ result: { answer: 'there' } });
  });

  test('begins with the first again in the next turn', async () => {
    first.fail({ kind: 'status', status: 429 });
    const { begin, loop, sessions } = engineOf();
    const runId = await begin('run:x tools:1 answer:done');
    await waitFor(async () => (await rowOf(runId)).pending === 1);
    first.fail(null);
    const [call] = (await turnsOf(runId))[0]!.calls;
    await loop.begin(1, (granted) => sessions.results([arrived(runId, call!.callId, { claim: granted > 0 })]));
    expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded' });
    expect([first.record().requests, second.record().requests]).toEqual([2, 1]);
  });

  test('is given what the first refuses for good as a failure; the second is not asked', async () => {
    first.fail({ kind: 'status', status: 400 });
    const { begin } = engineOf();
    expect(await outcomeOf(await begin('answer:no'))).toMatchObject({ status: 'failed', error: { code: 'upstream_rejected' } });
    expect(second.record().requests).toBe(0);
  });

  test('puts the turn back for the shortest wait when both are limited, and a refusal of the second is not the last word', async () => {
    first.fail({ kind: 'status', status: 503, retryAfter: '40' });
    second.fail({ kind: 'status', status: 429, retryAfter: '20' });
    const { begin } = engineOf();
    const runId = await begin('run:x answer:later');
    await waitFor(async () => (await rowOf(runId)).upstreamFailures === 1);
    const row = await rowOf(runId);
    expect(row).toMatchObject({ state: 'active', held: false, attempts: 0, step: 0 });
    expect(row.inMs).toBeGreaterThan(18_000);
    expect(row.inMs).toBeLessThanOrEqual(20_000);
    second.fail({ kind: 'status', status: 400 });
    const other = await begin('run:y answer:later');
    await waitFor(async () => (await rowOf(other)).upstreamFailures === 1);
    expect(await rowOf(other)).toMatchObject({ state: 'active', held: false });
  });
});

describe('an upstream that fails again and again', () => {
  test('is left alone while its breaker is open, then tried by one request, and used again once it is well', async () => {
    first.fail({ kind: 'status', status: 500 });
    const { begin } = engineOf({ first: { breaker: { failures: 3, openMs: 700 } } });
    for (const run of ['a', 'b', 'c']) await outcomeOf(await begin(`run:${run}`));
    expect(first.record().requests).toBe(3);
    await outcomeOf(await begin('run:d'));
    expect([first.record().requests, second.record().requests]).toEqual([3, 4]);
    first.fail(null);
    let count = 0;
    await waitFor(async () => {
      await outcomeOf(await begin(`run:e${(count += 1)}`));
      return first.record().requests > 3;
    });
    const before = second.record().requests;
    for (const run of ['f', 'g']) await outcomeOf(await begin(`run:${run}`));
    expect([first.record().requests, second.record().requests]).toEqual([6, before]);
  });

  test('and is the only one has its turns put back without a request, counted as failures', async () => {
    first.fail({ kind: 'status', status: 500 });
    const { begin } = engineOf({ engines: [alone], first: { breaker: { failures: 1, openMs: 20_000 } } });
    const one = await begin('run:a');
    await waitFor(async () => (await rowOf(one)).upstreamFailures === 1);
    const other = await begin('run:b');
    await waitFor(async () => (await rowOf(other)).upstreamFailures === 1);
    const row = await rowOf(other);
    expect(row).toMatchObject({ held: false, attempts: 0 });
    expect(row.inMs).toBeGreaterThan(15_000);
    expect(first.record().requests).toBe(1);
  });
});

test('while one turn tries an upstream that was down, the others wait without being counted as failures', async () => {
  first.fail({ kind: 'status', status: 500 });
  const { begin } = engineOf({ engines: [alone], first: { breaker: { failures: 1, openMs: 1 } } });
  const trying = await begin('run:a delay:600');
  await waitFor(async () => (await rowOf(trying)).upstreamFailures === 1);
  first.fail(null);
  await waitFor(() => first.record().inFlight === 1);
  const other = await begin('run:b');
  for (const runId of [trying, other]) await outcomeOf(runId);
  expect((await rowOf(other)).upstreamFailures).toBe(0);
});

test('a quota that is used up is not the end where the next upstream is only full', async () => {
  first.fail({ kind: 'status', status: 429, type: 'insufficient_quota' });
  const { begin } = engineOf({ second: { concurrency: 1 } });
  await begin('run:holding hang:1');
  await waitFor(() => second.record().inFlight === 1);
  const runId = await begin('run:x');
  expect(await waitFor(async () => (await rowOf(runId)).upstreamFailures === 1)).toBe(true);
});

test('an upstream that says when to come back uses up none of a run’s tries', async () => {
  first.fail({ kind: 'status', status: 429, retryAfter: '1' });
  const { begin } = engineOf({ engines: [alone] });
  const runId = await begin('run:x answer:later');
  await waitFor(async () => first.record().requests === 2 && !(await rowOf(runId)).held);
  expect(await rowOf(runId)).toMatchObject({ upstreamFailures: 0, attempts: 0 });
  first.fail(null);
  expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded' });
});

describe('an upstream with limits', () => {
  test('has no more requests in flight than it may, and all turns are made', async () => {
    const { begin } = engineOf({ engines: [alone], first: { concurrency: 2 } });
    const runs = await Promise.all(Array.from({ length: 12 }, (_, index) => begin(`run:${index} delay:20`)));
    for (const runId of runs) {
      expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded' });
      expect(await rowOf(runId)).toMatchObject({ upstreamFailures: 0, attempts: 0 });
    }
    expect(first.record()).toMatchObject({ requests: 12, inFlightMax: 2 });
  });

  test('lets organisations take turns: one run is not behind the many of another', async () => {
    const { begin, loop, sessions } = engineOf({ engines: [alone], first: { concurrency: 1 } });
    const holding = await begin('run:holding hang:1');
    await waitFor(() => first.record().inFlight === 1);
    const runs = await Promise.all(Array.from({ length: 8 }, (_, index) => begin(`run:many${index} delay:20`, { orgId: 'org_many' })));
    runs.push(await begin('run:small', { orgId: 'org_small' }));
    for (const runId of runs) await waitFor(async () => !(await rowOf(runId)).held);
    await sessions.stop([newSession({ runId: holding })]);
    loop.stop(holding);
    for (const runId of runs) await outcomeOf(runId);
    expect(first.record().runs.toSorted((a, b) => a.firstAtMs - b.firstAtMs).slice(0, 4)).toContainEqual(expect.objectContaining({ run: 'small' }));
  });

  test('holds no slot of the engine with the turns that wait for it', async () => {
    const other: Engine = { ...engine, id: 'other', upstreams: [{ name: 'second', model: 'b' }] };
    const { begin } = engineOf({ engines: [alone, other], slots: 3, first: { concurrency: 1 } });
    const holding = await begin('run:holding hang:1');
    const waiting = await Promise.all(Array.from({ length: 6 }, (_, index) => begin(`run:${index}`)));
    expect(await outcomeOf(await begin('answer:through', { engine: 'other' }))).toMatchObject({ result: { answer: 'through' } });
    for (const runId of waiting) await waitFor(async () => !(await rowOf(runId)).held);
    expect(await rowOf(holding)).toMatchObject({ held: true });
    expect(first.record().requests).toBe(1);
  });

  test('sends turns over to the next one that has a place', async () => {
    const { begin } = engineOf({ first: { concurrency: 1 } });
    await begin('run:holding hang:1');
    await waitFor(() => first.record().inFlight === 1);
    expect(await outcomeOf(await begin('answer:beside'))).toMatchObject({ result: { answer: 'beside' } });
    expect([first.record().requests, second.record().requests]).toEqual([1, 1]);
  });

  test.each([['requests', { requestsPerMinute: 2 }, 2], ['tokens', { tokensPerMinute: 1 }, 1]])('has no more %s in a minute than it may; what is more is put back until then, without an attempt', async (_what, limits, count) => {
    const { begin } = engineOf({ engines: [alone], first: limits });
    for (let index = 0; index < count; index += 1) await outcomeOf(await begin(`run:${index}`));
    const runId = await begin('run:more');
    const row = await waitFor(async () => {
      const found = await rowOf(runId);
      return found.inMs !== null && found.inMs > 5000 ? found : undefined;
    });
    expect(row).toMatchObject({ state: 'active', held: false, attempts: 0, upstreamFailures: 0 });
    expect(row.inMs).toBeLessThanOrEqual(72_000);
    expect(first.record().requests).toBe(count);
  });

  test('goes on with the next turn when one that waited was stopped', async () => {
    const { begin, loop, sessions } = engineOf({ engines: [alone], first: { concurrency: 1 } });
    const holding = await begin('run:holding hang:1');
    await waitFor(() => first.record().inFlight === 1);
    const [gone, next] = [await begin('run:gone'), await begin('run:next')];
    for (const runId of [gone, next]) await waitFor(async () => !(await rowOf(runId)).held);
    for (const runId of [gone, holding]) {
      await sessions.stop([newSession({ runId })]);
      loop.stop(runId);
    }
    expect(await outcomeOf(next)).toMatchObject({ status: 'succeeded' });
    expect(first.run('gone')).toBeUndefined();
  });
});

describe('an Anthropic-compatible upstream', () => {
  test('does a run with parallel tools, and its prompt grows by what the tools said', async () => {
    const { begin, loop, sessions } = engineOf({ engines: [alone], first: { kind: 'anthropic' } });
    const runId = await begin('run:x tools:1 parallel:2 echo:1');
    await waitFor(async () => (await rowOf(runId)).pending === 2);
    for (const { callId } of (await turnsOf(runId))[0]!.calls) await loop.begin(1, (granted) => sessions.results([arrived(runId, callId, { claim: granted > 0, result: { isError: false, content: `from ${callId}` } })]));
    const outcome = await outcomeOf(runId);
    const calls = (await turnsOf(runId))[0]!.calls.map(({ callId }) => `from ${callId}`);
    expect(JSON.parse((outcome as { result: { answer: string } }).result.answer)).toEqual(calls);
    expect(first.recent().map(({ headers }) => headers['x-api-key'])).toEqual(['sk-canary', 'sk-canary']);
  });

  test('takes over in the middle of a run that an OpenAI-compatible one began', async () => {
    const { begin, loop, sessions } = engineOf({ second: { kind: 'anthropic' } });
    const runId = await begin('run:x tools:1 answer:done');
    await waitFor(async () => (await rowOf(runId)).pending === 1);
    first.fail({ kind: 'status', status: 500 });
    const [call] = (await turnsOf(runId))[0]!.calls;
    await loop.begin(1, (granted) => sessions.results([arrived(runId, call!.callId, { claim: granted > 0 })]));
    expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded', result: { answer: 'done' } });
    expect(second.record().requests).toBe(1);
  });
});

test('an upstream that cannot be told a format answers by a function, which shows nowhere', async () => {
  const answerFormat = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
  for (const settings of [{ responseFormat: 'none' as const }, { kind: 'anthropic' as const }]) {
    const { begin } = engineOf({ engines: [alone], first: settings });
    const runId = await begin('run:x tools:1 tool:give_answer', { request: { instructions: '[[run:x tools:1 tool:give_answer]]', tools: [tool('lookup')], answerFormat } });
    expect(await outcomeOf(runId)).toEqual({ status: 'succeeded', result: { answer: { n: 0 }, reasoning: [] } });
    const [turn] = await turnsOf(runId);
    expect(turn!.usage.toolCalls).toEqual({});
    expect(first.recent().at(-1)!.body).not.toHaveProperty('response_format');
    first.reset();
  }
});

test('usage that no upstream reported is counted with a tokenizer, and marked', async () => {
  const { begin } = engineOf();
  const runId = await begin('run:x nousage:1 answer:"the quick brown fox jumps over the lazy dog"');
  await outcomeOf(runId);
  const [turn] = await turnsOf(runId);
  expect(turn).toMatchObject({ estimated: ['input', 'output'], usage: { outputTokens: 9 } });
  expect(turn!.usage.inputTokens).toBeGreaterThan(100);
});

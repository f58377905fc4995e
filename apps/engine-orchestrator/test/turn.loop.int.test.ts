import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Engine, RunOutcome } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { InProcessHints, workChannel } from '@nightshift/run-stream';
import { createLog } from '@nightshift/runtime';
import { newId } from '@nightshift/std';
import { type FakeModel, startFakeModel, waitFor } from '@nightshift/testing';
import { upstreamOf } from '../src/catalogue.ts';
import { startedEvent } from '../src/engine-events.ts';
import { SessionStore } from '../src/session.store.ts';
import { TurnLoop } from '../src/turn.loop.ts';
import { Upstreams } from '../src/upstreams.client.ts';
import { arrived, engineStage, framesOn, LEASE_MS, newSession, nobody, tool } from './stage.ts';

const log = createLog({ level: 'silent', format: 'json' });
const engine: Engine = { id: 'tim', aliases: ['tim-old'], upstreams: [{ name: 'fake', model: 'big' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 10_000 } };
const small: Engine = { ...engine, id: 'small', aliases: [], limits: { contextTokens: 4000 } };

let on: Awaited<ReturnType<typeof engineStage>>;
let fake: FakeModel;
let upstreams: Upstreams;
let hints: InProcessHints;
let loops: TurnLoop[];
let lost: string[];

beforeAll(async () => {
  on = await engineStage();
  fake = await startFakeModel();
  upstreams = new Upstreams({ engines: [engine, small], offline: false, upstreams: { fake: upstreamOf({ kind: 'openai', baseUrl: fake.baseUrl, concurrency: 10 }, 'sk-canary', 'UPSTREAM_API_KEY') } });
});
beforeEach(() => {
  hints = new InProcessHints();
  loops = [];
  lost = [];
});
afterEach(async () => {
  await Promise.all(loops.map((loop) => loop.drain(AbortSignal.abort())));
  await on.clear();
  fake.reset();
});
afterAll(async () => {
  await upstreams.close();
  await fake.close();
  await on.close();
});

/** One engine that works; `db` may fail in between. */
function engineOf(db: Database = on.db) {
  const sessions = db === on.db ? on.store() : new SessionStore(db, { hand: () => undefined } as never, LEASE_MS);
  const observer = { claimed: () => undefined, leaseLost: (id: string) => void lost.push(id), backlog: () => undefined, trouble: (err: unknown) => console.error(err) };
  const loop = new TurnLoop({ db, frames: framesOn(db, hints), sessions, upstreams, tools: nobody, hints, pool: 'shared', slots: 10, leaseMs: LEASE_MS, observer, log });
  loops.push(loop);
  loop.start();
  const begin = async (directives: string, more: Parameters<typeof newSession>[0] = {}) => {
    const session = newSession({ claim: false, ...more, request: { instructions: `[[run:x ${directives}]]`, tools: [tool('lookup')], ...more.request } });
    await loop.begin(1, (granted) => sessions.insert([{ ...session, claim: granted > 0 }], granted > 0 ? [startedEvent(session)] : []));
    return session;
  };
  return { loop, sessions, begin };
}

const outcomeOf = (runId: string) => waitFor(async () => (await on.sql<{ outcome: RunOutcome | null }>('select outcome from engine.sessions where run_id = $1', [runId]))[0]?.outcome, { describe: 'the end of the session' });
const rowOf = async (runId: string) => (await on.row(runId))!;
const wake = () => hints.send(workChannel('turn', 'shared'), '');
/** Answers every tool call of a run with the same content until the run ends. */
async function answering(runId: string, { loop, sessions }: Pick<ReturnType<typeof engineOf>, 'loop' | 'sessions'>, content: string): Promise<RunOutcome> {
  const answered = new Set<string>();
  await waitFor(async () => {
    const calls = on.published.flatMap(({ payload }) => [payload as { command?: string; runId: string; callId: string; step: number }]).filter((one) => one.command === 'call' && one.runId === runId && !answered.has(one.callId));
    for (const { callId, step } of calls) {
      answered.add(callId);
      await loop.begin(1, (granted) => sessions.results([arrived(runId, callId, { step, claim: granted > 0, result: { isError: false, content } })]));
    }
    return (await rowOf(runId)).state === 'done';
  }, { timeoutMs: 20_000 });
  return outcomeOf(runId);
}
const dueNow = async (runId: string) => {
  await on.sql('update engine.sessions set due_at = now() where run_id = $1', [runId]);
  wake();
};

describe('a turn', () => {
  test('that answers ends the session, and says what it used', async () => {
    const { begin } = engineOf();
    const { runId } = await begin('answer:"well done"');
    expect(await outcomeOf(runId)).toEqual({ status: 'succeeded', result: { answer: 'well done', reasoning: [] } });
    expect(await on.events(runId)).toEqual(['run.progressed started', 'usage.recorded', 'run.progressed outcome']);
    expect(fake.recent()[0]).toMatchObject({ headers: { authorization: 'Bearer sk-canary', traceparent: expect.stringContaining('1'.repeat(32)) }, body: { model: 'big', stream: true } });
  });

  test('that calls tools waits for all of them, and the next one sees what they said', async () => {
    const { begin, loop, sessions } = engineOf();
    const { runId } = await begin('tools:1 parallel:2 echo:1');
    await waitFor(async () => (await rowOf(runId)).pending === 2);
    const commands = on.published.flatMap(({ payload }) => ((payload as { command?: string }).command === 'call' ? [payload as { callId: string; step: number; arguments: unknown }] : []));
    expect(commands).toMatchObject([{ step: 0, arguments: {} }, { step: 0, arguments: {} }]);
    for (const { callId } of commands) await loop.begin(1, (granted) => sessions.results([arrived(runId, callId, { claim: granted > 0, result: { isError: false, content: `from ${callId}` } })]));
    const outcome = await outcomeOf(runId);
    expect(JSON.parse((outcome as { result: { answer: string } }).result.answer)).toEqual(commands.map(({ callId }) => `from ${callId}`));
    expect(fake.run('x')).toMatchObject({ requests: 2 });
  });

  test('whose calls are all refused is followed by the next at once', async () => {
    const { begin } = engineOf();
    const { runId } = await begin('tools:2 tool:guess echo:1');
    const outcome = await outcomeOf(runId);
    expect(outcome).toMatchObject({ status: 'succeeded', result: { answer: expect.stringContaining('there is no tool') } });
    expect(fake.run('x')).toMatchObject({ requests: 3 });
    expect((await on.events(runId)).filter((event) => event.startsWith('tool.'))).toEqual([]);
  });

  test('of a run that plans shows the model what is open, forgets what is concluded, and stays within its engine’s context', async () => {
    const on = engineOf();
    const { runId } = await on.begin('plan:2x2 tools:12 answer:done', { engine: 'small' });
    const outcome = await answering(runId, on, 'r'.repeat(3000));
    const looked = (count: number) => Array.from({ length: count }, () => expect.objectContaining({ title: 'Call lookup' }));
    const inner = (name: string) => expect.objectContaining({ title: name, thought: `I will do ${name}.`, subtasks: looked(3), conclusion: expect.stringContaining('concluded') });
    const outer = (name: string) => ({ title: name, thought: `I will do ${name}.`, subtasks: [inner(`${name} 1`), inner(`${name} 2`)], conclusion: expect.stringContaining('concluded') });
    expect(outcome).toEqual({ status: 'succeeded', result: { answer: 'done', reasoning: [outer('part 1'), outer('part 2')] } });
    const prompts = fake.recent().map(({ body }) => body);
    expect(prompts).toHaveLength(12 + 3 + 6 + 1);
    for (const { messages, tools } of prompts) expect(JSON.stringify([messages, tools]).length / 4).toBeLessThan(4000);
    expect(JSON.stringify(prompts.at(-1)!.messages)).toContain('All 2 subtasks are done. Go on with the task itself, or answer.');
    expect((await rowOf(runId)).step).toBe(prompts.length);
  });

  test('of a session that waited for a slot says that it started, by whichever engine finds it', async () => {
    const session = newSession({ claim: false, request: { instructions: '[[run:x answer:found]]', tools: [] } });
    await on.store().insert([session], []);
    engineOf();
    expect(await outcomeOf(session.runId)).toMatchObject({ status: 'succeeded' });
    expect(await on.events(session.runId)).toEqual(['run.progressed started', 'usage.recorded', 'run.progressed outcome']);
    const [row] = await on.sql<{ startedAt: Date }>('select started_at as "startedAt" from engine.sessions');
    expect(on.published.at(-1)?.payload).toMatchObject({ kind: 'outcome', startedAt: row?.startedAt.toISOString() });
  });

  test('is asked of an engine by its alias, and of one that this process does not know yet again later', async () => {
    const { begin } = engineOf();
    expect(await outcomeOf((await begin('', { engine: 'tim-old' })).runId)).toMatchObject({ status: 'succeeded' });
    const newer = await begin('', { engine: 'tim-newer' });
    await waitFor(async () => (await rowOf(newer.runId)).upstreamFailures === 1 && (await on.sql("update engine.sessions set engine = 'tim'")));
    await dueNow(newer.runId);
    expect(await outcomeOf(newer.runId)).toMatchObject({ status: 'succeeded' });
  });
});

describe('an upstream that is limited or overloaded', () => {
  test.each([['429', '7', 7000, 0], ['503', '3', 3000, 1], ['529', '5', 5000, 1]])('answering %s with Retry-After %s puts the turn back for that long, without an attempt', async (status, seconds, waitMs, upstreamFailures) => {
    const { begin } = engineOf();
    const { runId } = await begin(`fail:${status}x1 retry:${seconds} answer:later`);
    const row = await waitFor(async () => {
      const found = await rowOf(runId);
      return (found.inMs ?? 0) > 0 && !found.held ? found : undefined;
    });
    expect(row).toMatchObject({ state: 'active', held: false, attempts: 0, step: 0, upstreamFailures });
    expect(row.inMs).toBeGreaterThan(waitMs - 1500);
    expect(row.inMs).toBeLessThanOrEqual(waitMs);
    await dueNow(runId);
    expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded', result: { answer: 'later' } });
    expect(await on.events(runId)).toEqual(['run.progressed started', 'usage.recorded', 'run.progressed outcome']);
  });

  test('without Retry-After is tried again by itself after about half a second', async () => {
    const { begin } = engineOf();
    const { runId } = await begin('fail:500x1 answer:later');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded' });
    const { firstAtMs, lastAtMs, requests } = fake.run('x')!;
    expect(requests).toBe(2);
    expect(lastAtMs - firstAtMs).toBeGreaterThan(390);
  });

  test('that cuts its stream is tried again', async () => {
    const { begin } = engineOf();
    const { runId } = await begin('cut:1 answer:whole');
    expect(await outcomeOf(runId)).toMatchObject({ result: { answer: 'whole' } });
  });

  const failing = { code: 'upstream_unavailable', message: expect.stringContaining('503'), details: { upstreamStatus: 503, tries: 10 } };
  const gone = { code: 'engine_error', message: expect.stringContaining('"gone"'), details: { tries: 10 } };
  test.each([['tim', failing], ['gone', gone]])('is given up after ten failures in a row with a code and a message to act on, like an engine that nobody knows (%s)', async (id, error) => {
    const { begin } = engineOf();
    const { runId } = await begin('fail:503x99 retry:60', { engine: id });
    await waitFor(async () => (await rowOf(runId)).upstreamFailures === 1);
    await on.sql('update engine.sessions set upstream_failures = 9');
    await dueNow(runId);
    expect(await outcomeOf(runId)).toEqual({ status: 'failed', error });
  });
});

describe('an upstream that refuses', () => {
  test.each([['401', 'upstream_auth', 'UPSTREAM_API_KEY'], ['400', 'upstream_rejected', 'as the script says'], ['404', 'upstream_rejected', 'UPSTREAM_BASE_URL']])('with %s fails the run with %s at once', async (status, code, hint) => {
    const { begin } = engineOf();
    const { runId } = await begin(`fail:${status}x9`);
    const outcome = await outcomeOf(runId);
    expect(outcome).toMatchObject({ status: 'failed', error: { code, message: expect.stringContaining(hint) } });
    expect(JSON.stringify(outcome)).not.toContain('sk-canary');
    expect(fake.run('x')).toMatchObject({ requests: 1 });
  });
});

describe('a worker that is lost', () => {
  test('has its turn repeated by another, up to five times', async () => {
    const session = newSession({ request: { instructions: '[[run:x answer:repeated]]', tools: [] } });
    await on.store().insert([session], []);
    await on.sql("update engine.sessions set attempts = 4, lease_until = now() - interval '1 ms'");
    engineOf();
    expect(await outcomeOf(session.runId)).toMatchObject({ status: 'succeeded' });
  });

  test('five times fails the run visibly, and the model is not asked again', async () => {
    const session = newSession({ request: { instructions: '[[run:x]]', tools: [] } });
    await on.store().insert([session], []);
    await on.sql("update engine.sessions set attempts = 5, lease_until = now() - interval '1 ms'");
    engineOf();
    expect(await outcomeOf(session.runId)).toMatchObject({ status: 'failed', error: { code: 'worker_lost' } });
    expect(fake.run('x')).toBeUndefined();
  });

  test('and comes back writes nothing, and ends its request', async () => {
    const { begin } = engineOf();
    const { runId } = await begin('hang:1');
    await waitFor(() => fake.run('x')?.requests === 1);
    await on.sql("update engine.sessions set epoch = epoch + 1, lease_until = now() + interval '1 minute'");
    await waitFor(() => fake.run('x')?.aborted === 1, { timeoutMs: 3000 });
    expect(lost).toEqual([runId]);
    expect(await rowOf(runId)).toMatchObject({ state: 'active', step: 0, held: true });
    expect(await on.events(runId)).toEqual(['run.progressed started']);
  });
});

describe('a session that is stopped', () => {
  test('has its request aborted, wherever it runs, and no outcome', async () => {
    const { begin, sessions } = engineOf();
    const other = engineOf();
    const session = await begin('hang:1');
    await waitFor(() => fake.run('x')?.requests === 1);
    await sessions.stop([session]);
    other.loop.stop(session.runId);
    await waitFor(() => fake.run('x')?.aborted === 1, { timeoutMs: 1000 });
    expect(await rowOf(session.runId)).toMatchObject({ state: 'done', held: false });
    expect(await on.events(session.runId)).toEqual(['run.progressed started']);
  });
});

describe('tool results that are overdue', () => {
  test('are asked for again under the same ids, and later each time', async () => {
    const { begin } = engineOf();
    const { runId } = await begin('tools:1 parallel:2');
    await waitFor(async () => (await rowOf(runId)).pending === 2);
    await dueNow(runId);
    await waitFor(async () => (await rowOf(runId)).checkCount === 1);
    const row = await rowOf(runId);
    expect(row).toMatchObject({ pending: 2, held: false, attempts: 0, step: 1 });
    expect(row.inMs).toBeGreaterThan(55_000);
    await on.events(runId);
    const ids = on.published.flatMap(({ payload }) => ((payload as { command?: string }).command === 'call' ? [(payload as { callId: string }).callId] : []));
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(2);
    expect(fake.run('x')).toMatchObject({ requests: 1 });
  });
});

describe('an engine that must go', () => {
  test('hands its turn back without spending an attempt, and another one makes it', async () => {
    const first = engineOf();
    const { runId } = await first.begin('hang:1 answer:done');
    await waitFor(() => fake.run('x')?.requests === 1);
    await first.loop.drain(AbortSignal.abort());
    expect(await rowOf(runId)).toMatchObject({ held: false, due: true, attempts: 0 });
    engineOf();
    expect(await outcomeOf(runId)).toMatchObject({ result: { answer: 'done' } });
  });

  test('finishes its turn when there is time', async () => {
    const { begin, loop } = engineOf();
    const { runId } = await begin('delay:100 answer:done');
    await waitFor(() => fake.run('x')?.requests === 1);
    await loop.drain(new AbortController().signal);
    expect((await rowOf(runId)).state).toBe('done');
  });
});

test('a turn is not asked for twice because the database was away when it was to be committed', async () => {
  let failures = 3;
  const away = Object.assign(new Error('terminating connection'), { code: '57P01' });
  const query: Database['query'] = (asked, params) => (asked.name === 'engine.commit' && failures-- > 0 ? Promise.reject(away) : on.db.query(asked, params));
  const { begin } = engineOf({ ...on.db, query });
  const { runId } = await begin('answer:once');
  expect(await outcomeOf(runId)).toMatchObject({ result: { answer: 'once' } });
  expect([fake.run('x')?.requests, failures]).toEqual([1, -1]);
});

test('many sessions share the slots, and all of them end', async () => {
  const { begin } = engineOf();
  const sessions = await Promise.all(Array.from({ length: 40 }, (_, index) => begin('', { runId: newId('run'), orgId: `org_${index % 5}` })));
  for (const { runId } of sessions) expect(await outcomeOf(runId)).toMatchObject({ status: 'succeeded' });
  expect(fake.record()).toMatchObject({ requests: 40 });
  expect(fake.record().inFlightMax).toBeLessThanOrEqual(10);
});

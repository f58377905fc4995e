import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Payload } from '@nightshift/contracts';
import { InternalClient } from '@nightshift/http';
import { InProcessHints } from '@nightshift/run-stream';
import { newId } from '@nightshift/std';
import { waitFor } from '@nightshift/testing';
import { FrameLoop } from '../src/frame.loop.ts';
import { FrameStore } from '../src/frame.store.ts';
import { RunConsumer } from '../src/run.consumer.ts';
import { RunEnds } from '../src/run-end.store.ts';
import type { SessionStore } from '../src/session.store.ts';
import { ToolConsumer } from '../src/tool.consumer.ts';
import type { TurnLoop } from '../src/turn.loop.ts';
import { engineStage, tool, turnEnd } from './stage.ts';

let on: Awaited<ReturnType<typeof engineStage>>;
let sessions: SessionStore;
let runs: RunConsumer;
let tools: ToolConsumer;
let frames: FrameStore;
let asked: string[];
let answers: Record<string, unknown>;
let stopped: string[];

// An engine without a free slot: what its consumers write, somebody else takes on.
const busy = { begin: (_: number, write: (granted: number) => Promise<unknown>) => write(0), stop: (runId: string) => void stopped.push(runId) } as unknown as TurnLoop;

beforeAll(async () => void (on = await engineStage()));
beforeEach(() => {
  sessions = on.store();
  asked = [];
  answers = {};
  stopped = [];
  const client = new InternalClient(({ path }) => {
    asked.push(path);
    return Promise.resolve({ status: 200, body: JSON.stringify(answers[path]) });
  }, 'token');
  const store = new FrameStore(on.db);
  frames = store;
  const ends = new RunEnds({ sessions, store, frames: new FrameLoop(store, new InProcessHints()), engine: () => undefined });
  runs = new RunConsumer(sessions, busy, ends, client);
  tools = new ToolConsumer(sessions, busy, client);
});
afterEach(() => on.clear());
afterAll(() => on.close());

const ids = (runId = newId('run')) => ({ runId, orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', engine: 'tim' });
const message = <T,>(payload: T) => ({ id: newId('evt'), payload, traceparent: '00-trace' });
const start = (runId: string) => message<Payload<'run.commanded'>>({ command: 'start', ...ids(runId), request: { instructions: 'do it', tools: [tool('lookup')] } });
const stop = (runId: string) => message<Payload<'run.commanded'>>({ command: 'stop', ...ids(runId), status: 'canceled' });
const completed = (runId: string, callId: string, result = true) => message<Payload<'tool.completed'>>({ callId, runId, pool: 'shared', step: 0, ...(result && { result: { isError: false, content: 1 } }) });

describe('a start', () => {
  test('that is commanded again, in a batch or later, begins one session', async () => {
    const { runId } = ids();
    await runs.commanded([start(runId), start(runId)]);
    await runs.commanded([start(runId)]);
    expect(await on.sql('select run_id, traceparent from engine.sessions')).toEqual([{ run_id: runId, traceparent: '00-trace' }]);
    expect(await on.events(runId)).toEqual([]);
  });

  test('of a session that goes on is answered with "started", of one that is done with its outcome', async () => {
    const { runId } = ids();
    await runs.commanded([start(runId)]);
    const session = await on.claim(runId);
    await on.sql('update engine.sessions set started_at = now()');
    await runs.commanded([start(runId)]);
    expect(await on.events(runId)).toEqual(['run.progressed started']);
    await sessions.commit({ session, end: turnEnd(session, { answer: 'yes' }), next: 'done', events: [] });
    await runs.commanded([start(runId)]);
    expect(await on.events(runId)).toEqual(['run.progressed started', 'run.progressed outcome']);
    expect(on.published.at(-1)).toMatchObject({ key: runId, payload: { outcome: { status: 'succeeded', result: { answer: 'yes' } }, usage: { inputTokens: 10 } } });
  });

  test('whose request is too large to travel asks runs for it', async () => {
    const { runId } = ids();
    answers[`/internal/runs/${runId}/request`] = { request: { instructions: 'long', tools: [] } };
    await runs.commanded([message({ command: 'start', ...ids(runId) })]);
    expect(asked).toEqual([`/internal/runs/${runId}/request`]);
    expect((await sessions.load([runId]))[0]!.request).toEqual({ instructions: 'long', tools: [] });
  });

  test('that has waited begins no session of a run that has ended meanwhile', async () => {
    const [ended, open] = [ids().runId, ids().runId];
    answers['/internal/ended-runs'] = { runIds: [ended] };
    await runs.commanded([ended, open].map((runId) => ({ ...start(runId), id: newId('evt', Date.now() - 60_000) })));
    expect(await on.sql('select run_id from engine.sessions')).toEqual([{ run_id: open }]);
    expect(asked).toEqual(['/internal/ended-runs']);
    await runs.commanded([stop(ended)]);
    expect(await on.events(ended)).toEqual(['run.progressed stopped']);
  });
});

describe('a stop', () => {
  test('tells runs what was used, the executor which calls to give up, and aborts the turn', async () => {
    const { runId } = await on.waiting(sessions, ['call_a', 'call_b']);
    await runs.commanded([stop(runId)]);
    expect((await on.events(runId)).slice(4)).toEqual(['run.progressed stopped', 'tool.commanded cancel', 'tool.commanded cancel']);
    expect(on.published.at(-1)?.payload).toEqual({ command: 'cancel', callId: 'call_b', runId, orgId: 'org_1', pool: 'shared', step: 0 });
    expect(stopped).toEqual([runId]);
  });

  test('that overtakes its start, also within a batch, leaves the session stopped', async () => {
    const [first, second] = [ids().runId, ids().runId];
    await runs.commanded([stop(first)]);
    await runs.commanded([start(first), stop(second), start(second)]);
    expect(await on.sql('select distinct state from engine.sessions')).toEqual([{ state: 'done' }]);
    expect((await sessions.ended([first, second, newId('run')])).toSorted()).toEqual([first, second].toSorted());
    for (const runId of [first, second]) expect((await on.events(runId)).filter((event) => event !== 'run.progressed stopped')).toEqual([]);
  });

  test('that is repeated is answered again', async () => {
    const { runId } = ids();
    await runs.commanded([start(runId), stop(runId)]);
    await runs.commanded([stop(runId)]);
    expect(await on.events(runId)).toEqual(['run.progressed stopped', 'run.progressed stopped']);
  });
});

describe('tool results', () => {
  test('of a batch make the session due once', async () => {
    const { runId } = await on.waiting(sessions, ['call_a', 'call_b']);
    await tools.completed([completed(runId, 'call_a'), completed(runId, 'call_b'), completed(runId, 'call_a')]);
    expect(await on.row(runId)).toMatchObject({ pending: 0, due: true, epoch: 2 });
  });

  test('that are too large to travel are asked for', async () => {
    const { runId } = await on.waiting(sessions, ['call_a']);
    answers['/internal/calls/call_a/result'] = { result: { isError: false, content: 'x'.repeat(100_000) } };
    await tools.completed([completed(runId, 'call_a', false)]);
    expect((await sessions.journal(runId))[1]).toMatchObject({ result: { content: 'x'.repeat(100_000) } });
  });
});

describe('the stream of a run', () => {
  const kinds = async (runId: string) => (await frames.read(runId, 0)).map(({ seq, kind, text }) => (kind === 'end' ? [seq, kind, JSON.parse(text)] : kind === 'text' ? [seq, kind, text] : [seq, kind]));
  const canceled = { status: 'canceled', error: { code: 'canceled', message: 'The run was canceled.' } };

  test('that is stopped before it began says so, in a document of its own', async () => {
    const { runId } = ids();
    await runs.commanded([stop(runId), stop(runId)]);
    await runs.commanded([stop(runId)]);
    expect(await kinds(runId)).toEqual([[1, 'started'], [2, 'text', '{"reasoning":['], [3, 'text', '],"answer":null}'], [4, 'end', canceled]]);
  });

  test('that is stopped in the middle of a turn has its document closed, after all that was stored', async () => {
    const session = await on.begun(sessions);
    const written = { runId: session.runId, seq: 1, frames: [{ kind: 'started' as const, text: '' }, { kind: 'text' as const, text: '{"reasoning":[{"thought":"I th' }] };
    expect(await frames.append({ ...written, epoch: session.epoch })).toBe(true);
    await runs.commanded([stop(session.runId)]);
    expect(await kinds(session.runId)).toEqual([[1, 'started'], [2, 'text', '{"reasoning":[{"thought":"I th'], [3, 'text', '","conclusion":"(interrupted)"}'], [4, 'text', '],"answer":null}'], [5, 'end', canceled]]);
  });

  test('takes nothing more of a worker that has lost it, and fails nobody beside it', async () => {
    const [lost, kept] = [await on.begun(sessions), await on.begun(sessions)];
    const chunk = ({ runId, epoch }: { runId: string; epoch: number }) => ({ runId, epoch, seq: 1, frames: [{ kind: 'started' as const, text: '' }] });
    await on.claim(lost.runId);
    expect(await Promise.all([frames.append(chunk(lost)), frames.append(chunk(kept))])).toEqual([false, true]);
    await runs.commanded([stop(kept.runId)]);
    expect(await frames.append({ ...chunk(kept), seq: 9 })).toBe(false);
  });

  test('takes one of two workers that store at the same moment, and tells the other', async () => {
    const lost = await on.begun(sessions);
    const holder = await on.claim(lost.runId);
    const chunk = (epoch: number, text: string) => ({ runId: lost.runId, epoch, seq: 1, frames: [{ kind: 'text' as const, text }] });
    // One statement: both are in this process, which held the session, was away, and holds it again.
    expect(await Promise.all([frames.append(chunk(lost.epoch, 'before')), frames.append(chunk(holder.epoch, 'after'))])).toEqual([false, true]);
    expect(await kinds(lost.runId)).toEqual([[1, 'text', 'after']]);
  });

  test('is not gone on with after frames that could not be stored', async () => {
    const session = await on.begun(sessions);
    let problem: unknown;
    const loop = new FrameLoop(Object.assign(new FrameStore(on.db), { append: () => Promise.reject(new Error('refused')) }), new InProcessHints());
    const written = loop.begin(session, { head: 0, tail: '' }, { signal: new AbortController().signal }, (err) => (problem = err));
    written.add([{ kind: 'text', text: 'lost' }]);
    await waitFor(() => problem);
    written.add([{ kind: 'text', text: 'after' }]);
    expect([await written.take(), problem]).toEqual([undefined, new Error('refused')]);
    written.close();
  });

  test('that succeeded ends with its result, in the encoding that was asked for', async () => {
    const session = await on.begun(sessions);
    const end = turnEnd(session, { answer: 'yes' });
    const text = '{"reasoning":[],"answer":"yes"}';
    await sessions.commit({ session, end, next: 'done', events: [], frames: { runId: session.runId, seq: 1, frames: [{ kind: 'started', text: '' }, { kind: 'text', text }], tail: '}' } });
    const ended = message<Payload<'run.commanded'>>({ command: 'stop', ...ids(session.runId), status: 'succeeded', usage: { inputTokens: 1, outputTokens: 2, durationMs: 3, toolCalls: {} }, answerEncoding: 'object' });
    await runs.commanded([ended]);
    await runs.commanded([ended]);
    expect(await kinds(session.runId)).toEqual([[1, 'started'], [2, 'text', text], [3, 'end', { status: 'succeeded', result: { answer: 'yes' }, usage: { inputTokens: 1, outputTokens: 2, durationMs: 3, toolCalls: {} } }]]);
    expect(await on.events(session.runId)).toEqual(['run.progressed started']);
  });

  test('is read alike before and after it is packed', async () => {
    const session = await on.begun(sessions);
    for (let seq = 1; seq <= 20; seq += 1) expect(await frames.append({ runId: session.runId, epoch: session.epoch, seq, frames: [{ kind: 'text', text: `${seq}é` }] })).toBe(true);
    await runs.commanded([stop(session.runId)]);
    const before = await frames.read(session.runId, 7);
    await on.sql("update engine.frames set stored_at = now() - interval '1 hour'");
    expect([await frames.pack(10), await frames.pack(10)]).toEqual([1, 0]);
    expect(await frames.read(session.runId, 7)).toEqual(before);
    expect(await frames.heads([session.runId, 'run_unknown'])).toEqual({ heads: { [session.runId]: before.at(-1)?.seq }, ended: [session.runId] });
    expect(before.map(({ seq }) => seq)).toEqual(before.map((_, index) => index + 8));
  });

  test('that is long stays in parts, so that nobody reads all of it for one', async () => {
    const session = await on.begun(sessions);
    const part = 'x'.repeat(600_000);
    for (let seq = 1; seq <= 9; seq += 1) await frames.append({ runId: session.runId, epoch: session.epoch, seq, frames: [{ kind: 'text', text: part }] });
    await runs.commanded([stop(session.runId)]);
    await on.sql("update engine.frames set stored_at = now() - interval '1 hour'");
    expect(await frames.pack(10)).toBe(0);
    expect((await frames.read(session.runId, 2)).map(({ seq }) => seq)).toEqual([3, 4]);
  });

  test.each([
    ['was stopped', false],
    ['has succeeded', true],
  ])('that %s and is packed is not ended again, however late its stop is repeated', async (_how, succeeds) => {
    const session = await on.begun(sessions);
    for (let seq = 1; seq <= 20; seq += 1) await frames.append({ runId: session.runId, epoch: session.epoch, seq, frames: [{ kind: 'text', text: seq === 1 ? '{"reasoning":[' : ' ' }] });
    const end = turnEnd(session, { answer: 'yes' });
    if (succeeds) await sessions.commit({ session, end, next: 'done', events: [], frames: { runId: session.runId, seq: 21, frames: [{ kind: 'text', text: '],"answer":"yes"}' }], tail: '}' } });
    const ended = succeeds ? message<Payload<'run.commanded'>>({ command: 'stop', ...ids(session.runId), status: 'succeeded', usage: { inputTokens: 1, outputTokens: 2, durationMs: 3, toolCalls: {} } }) : stop(session.runId);
    await runs.commanded([ended]);
    const before = await frames.read(session.runId, 0);
    await on.sql("update engine.frames set stored_at = now() - interval '1 hour'");
    expect(await frames.pack(10)).toBe(1);
    await runs.commanded([ended]);
    expect(await frames.read(session.runId, 0)).toEqual(before);
    expect(await on.sql('select 1 from engine.frames')).toEqual([]);
  });
});

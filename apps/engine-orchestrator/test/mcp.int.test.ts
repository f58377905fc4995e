import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AppError, type Engine, type McpListing, type SealedMcpTool, type ToolCall } from '@nightshift/contracts';
import { InternalClient } from '@nightshift/http';
import { InProcessHints, workChannel } from '@nightshift/run-stream';
import { createLog } from '@nightshift/runtime';
import { type FakeModel, startFakeModel, waitFor } from '@nightshift/testing';
import { startedEvent } from '../src/engine-events.ts';
import { SessionsController } from '../src/sessions.controller.ts';
import { TurnLoop } from '../src/turn.loop.ts';
import { Upstreams } from '../src/upstreams.client.ts';
import { upstreamOf } from '../src/catalogue.ts';
import { arrived, engineStage, framesOn, LEASE_MS, newSession } from './stage.ts';

const log = createLog({ level: 'silent', format: 'json' });
const engine: Engine = { id: 'tim', aliases: [], upstreams: [{ name: 'fake', model: 'big' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 10_000 } };
const server: SealedMcpTool = { type: 'mcp', url: 'https://mcp.example.com', allowedTools: null, sealed: 'sealed:v1:x' };
const schema = { type: 'object', properties: { city: { type: 'string' } } };
const listing: McpListing = { offers: [{ name: 'get weather', description: 'Tells the weather.', inputSchema: schema, isRepeatable: true }] };

let on: Awaited<ReturnType<typeof engineStage>>;
let fake: FakeModel;
let upstreams: Upstreams;
let hints: InProcessHints;
let loops: TurnLoop[];
let asked: unknown[];
/** What tool-executor says next; its last answer stays. */
let answers: (readonly McpListing[] | AppError)[];

beforeAll(async () => {
  on = await engineStage();
  fake = await startFakeModel();
  upstreams = new Upstreams({ engines: [engine], offline: false, upstreams: { fake: upstreamOf({ kind: 'openai', baseUrl: fake.baseUrl, concurrency: 10 }, 'k', 'UPSTREAM_API_KEY') } });
});
beforeEach(() => {
  hints = new InProcessHints();
  loops = [];
  asked = [];
  answers = [[listing]];
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

const executor = new InternalClient(({ method, path, body, headers }) => {
  asked.push({ method, path, body: JSON.parse(body ?? '{}'), traceparent: headers['traceparent'] });
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  return answer instanceof AppError ? Promise.reject(answer) : Promise.resolve({ status: 200, body: JSON.stringify({ listings: answer }) });
}, 'token');

function engineOf() {
  const sessions = on.store();
  const observer = { claimed: () => undefined, leaseLost: () => undefined, backlog: () => undefined, trouble: (err: unknown) => console.error(err) };
  const loop = new TurnLoop({ db: on.db, frames: framesOn(on.db, hints), sessions, upstreams, tools: executor, hints, pool: 'shared', slots: 10, leaseMs: LEASE_MS, observer, log });
  loops.push(loop);
  loop.start();
  return { loop, sessions };
}

async function begin(directives: string, tools: readonly SealedMcpTool[] = [server]) {
  const { loop, sessions } = engineOf();
  const session = newSession({ claim: false, request: { instructions: `[[run:x ${directives}]]`, tools: [...tools], egressAllow: ['10.0.0.0/8'] } });
  await loop.begin(1, (granted) => sessions.insert([{ ...session, claim: granted > 0 }], granted > 0 ? [startedEvent(session)] : []));
  return { ...session, loop, sessions };
}

const stateOf = async (runId: string) => (await on.row(runId))!.state;
const ended = (runId: string) => waitFor(async () => (await stateOf(runId)) === 'done');
const calls = () => on.published.flatMap(({ payload }) => ((payload as { command?: string }).command === 'call' ? [payload as ToolCall] : []));
const offered = () => fake.recent().map(({ body }) => body.tools?.map((tool) => tool.function));
const dueNow = async (runId: string) => {
  await on.sql('update engine.sessions set due_at = now() where run_id = $1', [runId]);
  hints.send(workChannel('turn', 'shared'), '');
};
const weather = expect.objectContaining({ name: 'get_weather', description: 'Tells the weather.', parameters: schema });
const sunny = { content: [{ type: 'text' as const, text: 'sunny' }], is_error: false };
const target = { name: 'get weather', isListed: true, isRepeatable: true };

describe('the tools of an MCP server', () => {
  test('are listed before the first turn, offered to the model, and called with what the call needs', async () => {
    const { runId, traceparent, loop, sessions } = await begin('tools:1 echo:1');
    const call = await waitFor(() => calls()[0]);
    expect(asked).toEqual([{ method: 'POST', path: '/internal/mcp/listings', traceparent, body: { runId, orgId: 'org_1', tools: [server], egressAllow: ['10.0.0.0/8'] } }]);
    expect(offered()[0]).toEqual(expect.arrayContaining([weather]));
    expect(call).toMatchObject({ step: 0, tool: { ...server, target }, arguments: { city: 'text 0' }, egressAllow: ['10.0.0.0/8'] });
    await loop.begin(1, (granted) => sessions.results([arrived(runId, call.callId, { claim: granted > 0, result: { isError: false, format: 'tool_response', content: sunny } })]));
    await ended(runId);
    expect(await on.sql('select outcome from engine.sessions')).toEqual([{ outcome: { status: 'succeeded', result: { answer: '["sunny"]', reasoning: [expect.objectContaining({ title: 'Call get_weather', tooluse: expect.objectContaining({ tool_result: sunny }) })] } } }]);
    expect(await on.sql('select step, call_id, kind, body from engine.journal where kind = $1', ['listings'])).toEqual([{ step: 0, call_id: 'listings', kind: 'listings', body: { kind: 'listings', step: 0, listings: [listing] } }]);
  });

  test('stay as they were when another engine goes on, which does not ask again', async () => {
    const { runId, loop } = await begin('tools:2 echo:1');
    const first = await waitFor(() => calls()[0]);
    await loop.drain(AbortSignal.abort());
    answers = [[{ offers: [] }]];
    const other = engineOf();
    await other.loop.begin(1, (granted) => other.sessions.results([arrived(runId, first.callId, { claim: granted > 0 })]));
    const second = await waitFor(() => calls()[1]);
    expect(second.tool).toEqual(first.tool);
    expect(offered()[1]).toEqual(offered()[0]);
    expect(asked).toHaveLength(1);
  });

  test('are called in the same way when their results are overdue, and when a call is too large to travel', async () => {
    const { runId } = await begin('tools:1');
    const [first] = await waitFor(() => (calls().length === 1 ? calls() : undefined));
    await dueNow(runId);
    const again = await waitFor(() => calls()[1]);
    expect(again).toEqual(first);
    expect(await new SessionsController(on.store()).call(runId, first!.callId)).toEqual({ tool: first!.tool, arguments: first!.arguments });
  });

  test('are not asked for when none of them is allowed', async () => {
    const { runId } = await begin('answer:done', [{ ...server, allowedTools: [] }]);
    await ended(runId);
    expect(asked).toEqual([]);
    expect(offered()).toEqual([undefined]);
  });
});

describe('a run whose MCP servers cannot be listed', () => {
  test('goes on with a function that stands for the server and knows why', async () => {
    answers = [[{ offers: [], error: 'The MCP server could not be reached.' }]];
    await begin('tools:1');
    const call = await waitFor(() => calls()[0]);
    expect(offered()[0]).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'example_com', description: expect.stringContaining('could not be reached') })]));
    expect(call.tool).toEqual({ ...server, target: { isListed: false, isRepeatable: false } });
  });

  test('waits without a slot while the service that lists them is away, and goes on when it is back', async () => {
    answers = [new AppError('service_unavailable'), [listing]];
    const { runId } = await begin('answer:done');
    const waiting = await waitFor(async () => [await on.row(runId)].find((row) => row?.checkCount === 1));
    expect(waiting).toMatchObject({ step: 0, held: false, attempts: 0, upstreamFailures: 0 });
    await dueNow(runId);
    await ended(runId);
    expect(offered()[0]).toEqual(expect.arrayContaining([weather]));
  });

  test('goes on without them when that service stays away', async () => {
    answers = [new AppError('service_unavailable')];
    const { runId } = await begin('answer:done');
    await waitFor(async () => {
      await dueNow(runId);
      return (await stateOf(runId)) === 'done';
    }, { timeoutMs: 20_000 });
    expect(offered()[0]).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'example_com', description: expect.stringContaining('could not be reached') })]));
    expect(await on.sql('select outcome from engine.sessions')).toEqual([{ outcome: expect.objectContaining({ status: 'succeeded' }) }]);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startMcpServer, type TestMcpServer, waitFor } from '@nightshift/testing';
import { mcpTool } from './mcp-stage.ts';
import { callStage, newCall } from './stage.ts';

let on: Awaited<ReturnType<typeof callStage>>;
let server: TestMcpServer;

beforeAll(async () => {
  on = await callStage();
  server = await startMcpServer({ revision: '2025' });
});
afterEach(async () => {
  await on.clear();
  server.reset();
});
afterAll(async () => {
  await server.close();
  await on.close();
});

const ended = (id: string) => waitFor(async () => (await on.row(id))?.result, { describe: 'the end of the call' });

function callOf(name: string, args: Record<string, unknown>, isRepeatable = false) {
  const tool = mcpTool(server.url, undefined, { target: { name, isListed: true, isRepeatable } });
  return newCall(server.url, { tool, arguments: args });
}

/** A call as it stands when the worker that made it was killed. */
async function orphaned(call: ReturnType<typeof newCall>, attempts = 1): Promise<void> {
  await on.executor({ works: false }).calls.insert([call]);
  await on.sql("update tools.calls set attempts = $2, epoch = $2, lease_until = now() - interval '1 ms' where id = $1", [call.id, attempts]);
}

describe('a call of an MCP tool', () => {
  test('is made, and the engine is told', async () => {
    const call = callOf('Echo', { text: 'hi' });
    await on.executor().begin([call]);
    const result = { isError: false, format: 'tool_response', content: { content: [{ type: 'text', text: 'hi' }], is_error: false } };
    expect(await ended(call.id)).toEqual(result);
    expect(await on.told(call.id)).toEqual([result]);
  });

  test('whose worker was killed is not made again: the model is told that the outcome is unknown', async () => {
    const call = callOf('write', { text: 'a' });
    await orphaned(call);
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'outcome_unknown' });
    expect(server.requests()).toEqual([]);
  });

  test('whose worker was killed is made again when its tool says that it may be, but not for ever', async () => {
    const [call, worn] = [callOf('write', { text: 'again' }, true), callOf('write', { text: 'worn' }, true)];
    await orphaned(call);
    await orphaned(worn, 5);
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: false });
    expect(await ended(worn.id)).toMatchObject({ errorCode: 'worker_lost' });
    expect(server.effects.written).toEqual(['again']);
    expect(server.requests('tools/call')).toMatchObject([{ headers: { 'idempotency-key': call.id, 'x-attempt': '2' } }]);
  });

  test('whose worker is told to go in the middle of it has an unknown outcome too', async () => {
    const first = on.executor();
    const call = callOf('wait', {});
    await first.begin([call]);
    await waitFor(() => server.effects.waiting === 1);
    await first.loop.drain(AbortSignal.abort());
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'outcome_unknown' });
    expect(server.requests('tools/call')).toHaveLength(1);
  });

  test('that is canceled is canceled at the server', async () => {
    const executor = on.executor();
    const call = callOf('wait', {});
    await executor.begin([call]);
    await waitFor(() => server.effects.waiting === 1);
    await executor.calls.cancel([call]);
    executor.loop.cancel(call.id);
    await waitFor(() => server.effects.canceled === 1);
    expect(await on.row(call.id)).toMatchObject({ state: 'canceled', result: null, held: false });
  });
});

import { afterEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { ApiError, Reply } from './api.client.ts';
import { apiOf } from './api.client.ts';
import { shapes } from './product.ts';
import { stage } from './stage.ts';

const good = { engine: 'tim-gpt', input: { instructions: 'Say hello', tools: [] } };
const withInput = (input: Record<string, unknown>) => ({ ...good, input: { ...good.input, ...input } });
const withTool = (tool: unknown) => withInput({ tools: [tool] });
const tool = { type: 'function', name: 'lookup', url: 'http://127.0.0.1:9/lookup', parameters: { type: 'object', properties: {} } };

function expectError(reply: Reply<ApiError>, status: number, code: string): void {
  expect([reply.status, reply.body.error?.code]).toEqual([status, code]);
  expect(reply.body).toEqual({
    error: expect.objectContaining({ message: expect.stringMatching(/\S/), type: expect.any(String), param: null }),
    requestId: reply.headers.get('x-request-id'),
  });
  expect(reply.text).not.toMatch(/\bat .+\.[jt]s:\d+|node_modules/);
}

describe.each(shapes)('%s answers bad input and changes nothing', (shape) => {
  const on = stage(shape);

  afterEach(async () => {
    expect((await on.api.list()).body.runs).toEqual([]);
    expect((await on.api.usage()).body.total).toMatchObject({ runs: 0, inputTokens: 0, toolCalls: 0 });
    // Requests of this file carry no script; a scripted one belongs to a run that an earlier file left behind.
    expect(on.asked('').filter((body) => !JSON.stringify(body.messages).includes('[[run:'))).toEqual([]);
  });

  test.each([
    ['an unknown engine', { ...good, engine: 'no-such-engine' }],
    ['an empty engine', { ...good, engine: '' }],
    ['no engine', { input: good.input }],
    ['an engine that is a number', { ...good, engine: 7 }],
    ['an engine named like a built-in property', { ...good, engine: 'constructor' }],
    ['no input', { engine: 'tim-gpt' }],
    ['an input that is a text', { ...good, input: 'Say hello' }],
    ['no instructions', { engine: 'tim-gpt', input: { tools: [] } }],
    ['empty instructions', withInput({ instructions: '' })],
    ['instructions that are a list', withInput({ instructions: ['Say hello'] })],
    ['tools that are an object', withInput({ tools: {} })],
    ['a list as the body', [good]],
    ['a text as the body', 'Say hello'],
    ['null as the body', null],
    ['an answer format that is a text', withInput({ answerFormat: 'json' })],
    ['an answer format that makes no sense', withInput({ answerFormat: { type: 'object', properties: { n: { type: 'banana' } } } })],
    ['a timeout of 0', { ...good, options: { timeout: 0 } }],
    ['a timeout over an hour', { ...good, options: { timeout: 3601 } }],
    ['a timeout that is no integer', { ...good, options: { timeout: 1.5 } }],
    ['a timeout that is a text', { ...good, options: { timeout: '60' } }],
    ['too few step tokens', { ...good, options: { max_step_tokens: 255 } }],
    ['too many step tokens', { ...good, options: { max_step_tokens: 20_001 } }],
    ['an unknown response content', { ...good, output: { responseContent: 'some' } }],
    ['an image for an engine that takes none', withInput({ images: ['https://example.com/a.png'] })],
    ['a blob that nobody keeps', { ...withInput({ content: [{ type: 'image', source: { kind: 'blob_ref', blob_key: 'k', mime: 'image/png' } }] }), engine: 'tim-claude' }],
    ['skills that are not here', withInput({ skills: ['no-such-skill'] })],
    ['an agent that is not here', withInput({ agentId: 'no-such-agent' })],
    ['resources that are not here', withInput({ resources: ['sandbox'] })],
  ])('%s is 400 and says which field', async (_, body) => {
    const reply = await on.api.call<ApiError>('POST', '/v1/runs', { raw: JSON.stringify(body) });
    expectError(reply, 400, 'invalid_request');
    expect(reply.body.error.details).toEqual(expect.any(Object));
  });

  test.each([
    ['an unknown tool type', { type: 'no-such-type', id: 'web_search' }],
    ['a resource as a tool', { type: 'resource', id: 'sandbox' }],
    ['an unknown platform tool', { type: 'platform', id: 'no_such_tool' }],
    ['a platform tool named like a built-in property', { type: 'platform', id: 'toString' }],
    ['a tool that is a text', 'web_search'],
    ['a tool that is null', null],
    ['a function without a name', { ...tool, name: undefined }],
    ['a function without a URL', { ...tool, url: undefined }],
    ['a function at a file URL', { ...tool, url: 'file:///etc/passwd' }],
    ['a function with another method', { ...tool, method: 'DELETE' }],
    ['a nested function without a URL', { type: 'function', function: { name: 'lookup', parameters: {} } }],
    ['a function with an unknown retry', { ...tool, retry: 'sometimes' }],
    ['a function with headers that are no texts', { ...tool, headers: { a: 1 } }],
  ])('%s is 400', async (_, one) => {
    expectError(await on.api.post(withTool(one)), 400, 'invalid_request');
  });

  test.each([
    'http://10.0.0.8/hook', 'http://192.168.1.1/hook', 'http://172.16.0.1/hook', 'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:10.0.0.8]/hook', 'http://[fd00::1]/hook', 'http://0x0a000008/hook', 'http://0.0.0.0/hook', 'http://224.0.0.1/hook',
  ])('a callback to the private address %s is 400', async (callbackUrl) => {
    expectError(await on.api.post({ ...good, output: { callbackUrl } }), 400, 'invalid_request');
  });

  test.each(['not a url', 'ftp://example.com/hook', 'file:///etc/passwd', '', 'javascript:alert(1)'])(
    'the callback %j is 400', async (callbackUrl) => {
      expectError(await on.api.post({ ...good, output: { callbackUrl } }), 400, 'invalid_request');
    },
  );

  test.each(['{"engine":', '{"engine":"tim-gpt",}', 'engine=tim-gpt', '\u0000'])('the broken JSON %j is 400', async (raw) => {
    expectError(await on.api.call<ApiError>('POST', '/v1/runs', { raw }), 400, 'invalid_request');
  });

  test('an empty body is 400', async () => {
    expectError(await on.api.call<ApiError>('POST', '/v1/runs'), 400, 'invalid_request');
  });

  test('a body of 6 MiB is 413', async () => {
    const raw = JSON.stringify(withInput({ instructions: 'x'.repeat(6 * 1024 * 1024) }));
    expectError(await on.api.call<ApiError>('POST', '/v1/runs', { raw }), 413, 'invalid_request');
  });

  test.each(['run_does_not_exist', 'run_0193b5f2a0007000800000000000000f', '114cc346-d0cd-4c32-bde2-2d52ac5796e8', "'%20or%201=1", '%00', 'x'.repeat(300)])(
    'the unknown id %s is 404 for a look and for a cancel', async (runId) => {
      expectError(await on.api.get(runId), 404, 'not_found');
      expectError(await on.api.cancel(runId), 404, 'not_found');
    },
  );

  test('an unknown route is 404', async () => {
    expectError(await on.api.call<ApiError>('GET', '/v1/no-such-route'), 404, 'not_found');
  });

  test.each([['none', ''], ['a wrong one', 'sk-wrong'], ['an admin token', 'admin'], ['one of 10 kB', 'k'.repeat(10_000)]])(
    'for the key, %s is 401 on every route', async (what, key) => {
      const stranger = apiOf(on.product.port, what === 'an admin token' ? on.product.adminToken : key);
      for (const reply of [await stranger.post(good), await stranger.get('run_x'), await stranger.cancel('run_x'), await stranger.list()]) {
        expectError(reply, 401, 'authentication_failed');
      }
      expectError(await stranger.call<ApiError>('GET', '/v1/usage'), 401, 'authentication_failed');
      expectError(await stranger.call<ApiError>('GET', '/v1/models'), 401, 'authentication_failed');
    },
  );

  test('a key in another scheme than Bearer is 401', async () => {
    const stranger = apiOf(on.product.port, '');
    const headers = { authorization: `Basic ${Buffer.from(`${on.api.key}:`).toString('base64')}` };
    expectError(await stranger.call<ApiError>('GET', '/v1/runs', { headers }), 401, 'authentication_failed');
  });

  test.each(['0', '101', '-1', '1.5', 'many', ''])('the limit %j is 400', async (limit) => {
    expectError(await on.api.list(`?limit=${limit}`), 400, 'invalid_request');
  });

  test.each(['no-cursor', '%00', Buffer.from('{}').toString('base64url'), 'x'.repeat(3000)])('the cursor %s is 400', async (cursor) => {
    expectError(await on.api.list(`?cursor=${cursor}`), 400, 'invalid_request');
  });

  test.each(['from=yesterday', 'to=1', 'groupBy=colour'])('usage with %s is 400', async (query) => {
    expectError(await on.api.call<ApiError>('GET', `/v1/usage?${query}`), 400, 'invalid_request');
  });

  test('an idempotency key over 255 characters is 400', async () => {
    expectError(await on.api.post(good, { 'idempotency-key': 'k'.repeat(256) }), 400, 'invalid_request');
  });

  test('a request that was refused leaves its idempotency key free', async () => {
    const key = randomUUID();
    expectError(await on.api.post({ ...good, engine: 'no-such-engine' }, { 'idempotency-key': key }), 400, 'invalid_request');
    expectError(await on.api.post({ ...good, engine: 'another-one' }, { 'idempotency-key': key }), 400, 'invalid_request');
  });
});

import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import type { RunPage } from './api.client.ts';
import { driveAgentChat, haveOpenAi } from './clients/python.ts';
import { shapes } from './product.ts';
import type { Script } from './request.ts';
import { functionTool, instructionsOf } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Document = { reasoning: { tooluse?: { tool_name: string; tool_result?: unknown } }[]; answer: unknown };

haveOpenAi();

describe.each(shapes)('npm openai with an engine in %s', (shape) => {
  const on = stage(shape);

  const client = (apiKey = on.api.key) => new OpenAI({ apiKey, baseURL: `${on.api.base}/v1` });
  const user = (script: Script) => ({ role: 'user' as const, content: instructionsOf(script) });
  const documentOf = ({ choices }: OpenAI.ChatCompletion) => JSON.parse(choices[0]?.message.content ?? '') as Document;
  const failure = async (script: Script, more: object = {}) => {
    const error = await client().chat.completions.create({ model: 'tim-gpt', messages: [user(script)], ...more } as OpenAI.ChatCompletionCreateParamsNonStreaming).then(() => undefined, (err: unknown) => err);
    expect(error).toBeInstanceOf(OpenAI.APIError);
    return error as InstanceType<typeof OpenAI.APIError>;
  };

  test('gets the run’s document as content, after its tools were called by the server, and what it used', async () => {
    const run = randomUUID();
    const weather = functionTool('weather', `${on.endpoint.url}/tool/weather/${run}`, { headers: { 'x-tool-key': 'tool-secret' } });
    const { data, response } = await client()
      .chat.completions.create({ model: 'tim-large', messages: [user({ run, tools: 1, answer: 'It rains.' })], tools: [weather as never], metadata: { ticket: '7' } })
      .withResponse();
    expect(data).toMatchObject({ object: 'chat.completion', model: 'tim-large', choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }] });
    const { reasoning, answer } = documentOf(data);
    expect([answer, reasoning[0]?.tooluse?.tool_name]).toEqual(['It rains.', 'weather']);
    expect(on.endpoint.requests({ prefix: `/tool/weather/${run}` })).toMatchObject([{ headers: { 'x-tool-key': 'tool-secret' } }]);
    const runId = response.headers.get('x-run-id') ?? '';
    expect(data.id).toBe(`chatcmpl-${runId}`);
    const { body } = await on.api.get(runId);
    expect(body).toMatchObject({ status: 'succeeded', metadata: { ticket: '7' }, result: { reasoning, answer } });
    expect(data.usage).toEqual({ prompt_tokens: body.usage?.inputTokens, completion_tokens: body.usage?.outputTokens, total_tokens: (body.usage?.inputTokens ?? 0) + (body.usage?.outputTokens ?? 0) });
  });

  test('is answered in the format that it asks for, inside the document', async () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false };
    const completion = await client().chat.completions.create({
      model: 'tim', messages: [user({ answer: '{"n":1}' })], response_format: { type: 'json_schema', json_schema: { name: 'count', strict: true, schema } }, max_tokens: 1000,
    });
    expect(documentOf(completion).answer).toEqual({ n: 1 });
  });

  test('tells the engine the whole conversation', async () => {
    const run = randomUUID();
    await client().chat.completions.create({
      model: 'tim',
      messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Is it cold?' }, { role: 'assistant', content: '{"reasoning":[],"answer":"It is."}' }, user({ run })],
    });
    const said = on.asked(run)[0]?.messages?.find(({ role }) => role === 'user')?.content;
    expect(said).toMatch(/^Be brief\.\n[^]*\{"role":"user","content":"Is it cold\?"\}\n\{"role":"assistant","content":"It is\."\}\n[^]*\[\[run:/);
  });

  test('gets an error of the right class when the run fails, and does not repeat it', async () => {
    const run = randomUUID();
    const failed = await failure({ run, fail: '400x99' });
    expect(failed).toBeInstanceOf(OpenAI.InternalServerError);
    expect([failed.status, failed.code, failed.headers?.get('x-should-retry')]).toEqual([500, 'upstream_rejected', 'false']);
    const { body } = await on.api.get(failed.headers?.get('x-run-id') ?? '');
    expect(body).toMatchObject({ status: 'failed', error: { code: 'upstream_rejected' } });
    expect(failed.message).toContain(body.error?.message);
  });

  test('gets a conflict when the run is canceled meanwhile', async () => {
    const api = await on.newTenant();
    const waiting = client(api.key).chat.completions.create({ model: 'tim', messages: [user({ hang: 9 })] }).then(() => undefined, (err: unknown) => err);
    let runs: RunPage['runs'] = [];
    await until(async () => (runs = (await api.list()).body.runs).length === 1, { timeoutMs: 30_000, what: () => 'the run' });
    await api.cancel(runs[0]!.runId);
    expect(await waiting).toMatchObject({ status: 409, code: 'canceled' });
    expect((await api.list()).body.runs).toHaveLength(1);
  });

  test('may go away: its run goes on', async () => {
    const api = await on.newTenant();
    const leaving = new AbortController();
    const waiting = client(api.key).chat.completions.create({ model: 'tim', messages: [user({ delay: 500, answer: 'Still here.' })] }, { signal: leaving.signal }).then(() => undefined, (err: unknown) => err);
    let runs: RunPage['runs'] = [];
    await until(async () => (runs = (await api.list()).body.runs).length === 1, { timeoutMs: 30_000, what: () => 'the run' });
    leaving.abort();
    expect(await waiting).toBeInstanceOf(OpenAI.APIUserAbortError);
    expect(await on.settled(runs[0]!.runId, api)).toMatchObject({ status: 'succeeded', result: { answer: 'Still here.' } });
  });

  test('gets the same run under the same idempotency key', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const body = { model: 'tim', messages: [user({ answer: 'Once.' })] };
    const ask = () => client().chat.completions.create(body, { headers }).withResponse();
    const [one, two] = [await ask(), await ask()];
    expect(two.data).toEqual(one.data);
    expect(two.response.headers.get('idempotency-replayed')).toBe('true');
  });

  test.each([
    ['a tool that its own program calls', { tools: [{ type: 'function', function: { name: 'mine', parameters: { type: 'object' } } }] }, /tools\.0\.url: .*"url"/],
    ['a choice of tool', { tool_choice: 'required' }, /tool_choice: /],
    ['a format that makes no sense', { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nonsense' } } } }, /response_format: /],
    ['an image, to an engine that takes none', { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }] }, /messages: .*tim-claude/],
  ])('is told what is wrong with %s', async (_, more, message) => {
    const refused = await failure({}, more);
    expect(refused).toBeInstanceOf(OpenAI.BadRequestError);
    expect([refused.code, refused.message]).toEqual(['invalid_request', expect.stringMatching(message)]);
  });

  test('is told that a model is unknown', async () => {
    const refused = await failure({}, { model: 'no-such-model' });
    expect(refused).toBeInstanceOf(OpenAI.NotFoundError);
    expect(refused.code).toBe('model_not_found');
  });

  describe('that streams', () => {
    const open = (script: Script, more: object = {}, options: object = {}) => client().chat.completions.create({ model: 'tim-large', messages: [user(script)], stream: true, ...more }, options).withResponse();

    test('gets the run’s document as its deltas, to the last character, and the usage on demand', async () => {
      const answer = 'caf\u00e9 \u2028 \u{1f600} done';
      const weather = functionTool('weather', `${on.endpoint.url}/tool/weather/${randomUUID()}`);
      const { data, response } = await open({ tools: 1, answer }, { tools: [weather], stream_options: { include_usage: true } });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of data) chunks.push(chunk);
      const runId = response.headers.get('x-run-id') ?? '';
      const { body } = await on.api.get(runId);
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(chunks[0]).toMatchObject({ id: `chatcmpl-${runId}`, object: 'chat.completion.chunk', model: 'tim-large', choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] });
      const document = JSON.parse(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')) as Document;
      expect(document).toEqual(body.result);
      expect(document.answer).toBe(answer);
      expect(chunks.map(({ choices }) => choices[0]?.finish_reason).filter((reason) => typeof reason === 'string')).toEqual(['stop']);
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: body.usage?.inputTokens, completion_tokens: body.usage?.outputTokens } });
    });

    test('gets an error that ends the stream when the run fails, and makes no other run', async () => {
      const api = await on.newTenant();
      const { data, response } = await client(api.key).chat.completions.create({ model: 'tim', messages: [user({ fail: '400x99' })], stream: true }).withResponse();
      const error = await (async () => { for await (const chunk of data) expect(chunk.choices[0]?.finish_reason).not.toBe('stop'); })().then(() => undefined, (err: unknown) => err);
      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect(error).toMatchObject({ code: 'upstream_rejected', message: expect.stringContaining('as the script says') });
      expect((await api.list()).body.runs.map(({ runId }) => runId)).toEqual([response.headers.get('x-run-id')]);
    });

    test('may go away: its run goes on, and can be streamed again under the same idempotency key', async () => {
      const script = { delay: 500, answer: 'Still here.', run: randomUUID() };
      const options = { headers: { 'Idempotency-Key': randomUUID() } };
      const { data, response } = await open(script, {}, options);
      for await (const chunk of data) if (chunk.choices[0]?.delta.role) break;
      const runId = response.headers.get('x-run-id') ?? '';
      const again = await open(script, {}, options);
      expect([again.response.headers.get('x-run-id'), again.response.headers.get('idempotency-replayed')]).toEqual([runId, 'true']);
      let text = '';
      for await (const chunk of again.data) text += chunk.choices[0]?.delta.content ?? '';
      expect(JSON.parse(text)).toMatchObject({ answer: 'Still here.' });
      expect(await on.settled(runId)).toMatchObject({ status: 'succeeded' });
    });

    test('is refused before the stream begins, as without one', async () => {
      const refused = await failure({}, { stream: true, tool_choice: 'required' });
      expect([refused.status, refused.code]).toEqual([400, 'invalid_request']);
    });
  });
});

describe.each(shapes)('PyPI openai with an engine in %s', (shape) => {
  const on = stage(shape);

  test('gets the run’s document whole and streamed, a request in the background, and errors of the right class, each for one run', async () => {
    const answer = 'caf\u00e9 \u2028 \u{1f600} done';
    const api = await on.newTenant();
    const report = await driveAgentChat({
      baseUrl: `${api.base}/v1`, apiKey: api.key, instructions: instructionsOf({ tools: 1, answer }), failing: instructionsOf({ fail: '400x99' }),
      tools: [functionTool('weather', `${on.endpoint.url}/tool/weather/${randomUUID()}`)],
    });
    const document = { answer, reasoning: [expect.objectContaining({ tooluse: expect.objectContaining({ tool_name: 'weather' }) })] };
    expect(report).toEqual({
      whole: document, streamed: document, async: document, totalTokens: expect.any(Number), submitted: expect.stringMatching(/^run_/),
      failed: { name: 'InternalServerError', status: 500, code: 'upstream_rejected' }, failedStream: { name: 'APIError', status: null, code: 'upstream_rejected' },
    });
    await on.settled(report.submitted, api);
    expect((await api.list()).body.runs).toHaveLength(6);
  });
});

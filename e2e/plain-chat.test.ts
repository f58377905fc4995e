import { describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { drivePlainChat, haveOpenAi } from './clients/python.ts';
import { shapes } from './product.ts';
import { instructionsOf, type Script } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const model = 'fake-model';
const text = 'H\u00e9llo \u2028 from Oslo.';
const weather = { city: 'Oslo', days: [{ sky: 'grey', celsius: -3 }] };
const Weather = z.object({ city: z.string(), days: z.array(z.object({ sky: z.string(), celsius: z.int() })) });
const say = (script: Script) => [{ role: 'user' as const, content: instructionsOf(script) }];
const tool = { type: 'function' as const, function: { name: 'weather', description: 'The weather of a city now.', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } };

haveOpenAi();

describe.each(shapes)('a plain model call in %s', (shape) => {
  const on = stage(shape);
  const client = (more: object = {}) => new OpenAI({ apiKey: on.api.key, baseURL: `${on.api.base}/v1`, ...more });
  const failure = (call: Promise<unknown>) => call.then(() => undefined, (err: unknown) => err);

  test('answers the npm client whole, streamed, parsed and as a loop of its own tools', async () => {
    const whole = await client().chat.completions.create({ model, messages: say({ answer: text }) });
    expect(whole).toMatchObject({ id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/), model, choices: [{ message: { content: text }, finish_reason: 'stop' }] });
    const stream = client().chat.completions.stream({ model, messages: say({ answer: text }), stream_options: { include_usage: true } });
    expect(await stream.finalContent()).toBe(text);
    expect((await stream.finalChatCompletion()).usage).toMatchObject({ completion_tokens: 20 });
    const parsed = await client().chat.completions.parse({ model, messages: say({ answer: JSON.stringify(weather) }), response_format: zodResponseFormat(Weather, 'weather') });
    expect(parsed.choices[0]!.message.parsed).toEqual(weather);
    const called: unknown[] = [];
    const runner = client().chat.completions.runTools({
      model,
      messages: say({ tools: 2, answer: 'It is grey.' }),
      tools: [{ ...tool, function: { ...tool.function, parse: (text: string) => JSON.parse(text) as object, function: (args: object) => (called.push(args), 'grey') } }],
    });
    expect([await runner.finalContent(), called.length]).toEqual(['It is grey.', 2]);
  });

  test('answers the PyPI client in all its ways', async () => {
    const report = await drivePlainChat({
      baseUrl: `${on.api.base}/v1`, apiKey: on.api.key, model,
      scripts: {
        text: instructionsOf({ answer: text }), other: instructionsOf({ answer: 'other' }), loop: instructionsOf({ tools: 2, answer: 'It is grey.' }), parsed: instructionsOf({ answer: JSON.stringify(weather) }),
        retried: instructionsOf({ answer: text, fail: '429x2', retry: 0 }), limited: instructionsOf({ fail: '429x9', retry: 7 }), down: instructionsOf({ fail: '500x9' }),
      },
    });
    expect(report).toEqual({
      text, streamed: text, usage: 20, loop: 'It is grey.', parsed: weather, helper: text, async: [text, 'other'], retried: text, models: [model, model], legacy: text,
      errors: { unknownModel: 'NotFoundError 404 model_not_found', badRequest: 'BadRequestError 400 invalid_request', badKey: 'AuthenticationError 401 authentication_failed', limited: 'RateLimitError 429 rate_limited', down: 'InternalServerError 503 service_unavailable' },
    });
  });

  test('gives the npm client errors of the right class, and is tried again by it when it was limited', async () => {
    const once = client({ maxRetries: 0 });
    expect(await failure(once.chat.completions.create({ model: 'acme/no-such-model', messages: say({}) }))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await failure(client({ apiKey: 'not-a-key', maxRetries: 0 }).chat.completions.create({ model, messages: say({}) }))).toBeInstanceOf(OpenAI.AuthenticationError);
    const limited = await failure(once.chat.completions.create({ model, messages: say({ fail: '429x9', retry: 7 }) }));
    expect(limited).toBeInstanceOf(OpenAI.RateLimitError);
    expect((limited as InstanceType<typeof OpenAI.APIError>).headers?.get('retry-after')).toBe('7');
    expect(await client({ maxRetries: 3 }).chat.completions.create({ model, messages: say({ answer: 'at last', fail: '429x2', retry: 0 }) })).toMatchObject({ choices: [{ message: { content: 'at last' } }] });
  });

  test('whose client leaves is given up at the model', async () => {
    const run = `left-${shape}`;
    const leave = new AbortController();
    const call = failure(client({ maxRetries: 0 }).chat.completions.create({ model, messages: say({ run, hang: 1 }), stream: true }, { signal: leave.signal }));
    await until(() => on.model.run(run)?.requests === 1, { timeoutMs: 20_000, what: () => 'the request at the model' });
    leave.abort();
    expect(await call).toBeInstanceOf(OpenAI.APIUserAbortError);
    await until(() => on.model.run(run)?.aborted === 1, { timeoutMs: 20_000, what: () => 'the end of the request at the model' });
  });

  test('is counted once, by the tokens that the model reports', async () => {
    const api = await on.newTenant();
    const caller = new OpenAI({ apiKey: api.key, baseURL: `${api.base}/v1` });
    const calls = await Promise.all(Array.from({ length: 5 }, () => caller.chat.completions.create({ model, messages: say({ answer: 'counted' }) })));
    let streamed = 0;
    for await (const { usage } of await caller.chat.completions.create({ model, messages: say({ answer: 'counted' }), stream: true, stream_options: { include_usage: true } })) streamed += usage?.prompt_tokens ?? 0;
    const expected = { inputTokens: calls.reduce((sum, { usage }) => sum + usage!.prompt_tokens, streamed), outputTokens: 6 * 20, runs: 0 };
    await until(async () => (await api.usage()).body.total.outputTokens >= expected.outputTokens, { timeoutMs: 20_000, what: () => 'the usage' });
    expect((await api.usage()).body.total).toMatchObject(expected);
    const byEngine = await api.call<{ groups: { key: string; outputTokens: number }[] }>('GET', '/v1/usage?groupBy=engine');
    expect(byEngine.body.groups).toMatchObject([{ key: model, outputTokens: 6 * 20 }]);
  });
});

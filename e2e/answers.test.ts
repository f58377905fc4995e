import { describe, expect, test } from '@jest/globals';
import type { Run } from './api.client.ts';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

describe.each(shapes)('what a run in %s gives back', (shape) => {
  const on = stage(shape);

  test('leaves its reasoning out with answer_only', async () => {
    const run = await on.completed({ answer: 'Yes.' }, { output: { responseContent: 'answer_only', callbackUrl: `${on.endpoint.url}/hook` } });
    expect(run.result).toEqual({ answer: 'Yes.' });
    const { body } = await on.arrival('/hook', run.runId);
    expect(body).not.toContain('reasoning');
  });

  test('gives a structured answer as an object, or as a text to who asks for that', async () => {
    const answerFormat = { type: 'object', title: 'Sky', properties: { sky: { type: 'string' } }, required: ['sky'] };
    const run = await on.completed({ answer: '{"sky":"grey"}' }, { input: { answerFormat } });
    expect(run.result?.answer).toEqual({ sky: 'grey' });
    const asText = await on.api.call<Run>('GET', `/v1/runs/${run.runId}`, { headers: { 'x-answer-encoding': 'string' } });
    expect(JSON.parse(asText.body.result?.answer as string)).toEqual({ sky: 'grey' });
    const posted = await on.api.post(request({ answer: '{"sky":"blue"}' }, { input: { answerFormat } }), { 'x-answer-encoding': 'string' });
    const other = await on.settled(posted.body.runId);
    expect(JSON.parse(other.result?.answer as string)).toEqual({ sky: 'blue' });
  });

  test('comes of images too, however large they may be, where the engine takes them', async () => {
    const image = `data:image/png;base64,${'iVBORw0KGgoA'.repeat(200_000)}`;
    const run = await on.completed({ answer: 'A cat.' }, { engine: 'tim-claude', input: { images: [image], content: [{ type: 'text', text: 'What is it?' }] } });
    expect(run.result?.answer).toBe('A cat.');
    // The fake model counts characters: the whole image has reached it.
    expect(run.usage?.inputTokens).toBeGreaterThan(image.length / 4);
  });

  test('fails with a code and a message that helps when the model refuses', async () => {
    const run = await on.completed({ fail: '401x9' });
    expect(run).toMatchObject({ status: 'failed', error: { code: expect.stringMatching(/^[a-z_]+$/), message: expect.stringMatching(/\w+ \w+/) } });
    expect(run).not.toHaveProperty('result');
  });

  test('waits for a model that is limited or broken for a moment', async () => {
    const run = await on.completed({ fail: '429x2', retry: 1, answer: 'At last.' });
    expect(run).toMatchObject({ status: 'succeeded', result: { answer: 'At last.' } });
  });

  test('is part of the organisation’s usage', async () => {
    const api = await on.newTenant();
    const posted = [request(), request({ tools: 2 }, { input: { tools: [functionTool('weather', `${on.endpoint.url}/tool/weather`)] } })];
    const runs = await Promise.all(posted.map(async (body) => on.settled((await api.post(body)).body.runId, api)));
    const sum = (field: 'inputTokens' | 'outputTokens') => runs.reduce((total, run) => total + (run.usage?.[field] ?? 0), 0);
    const expected = { inputTokens: sum('inputTokens'), outputTokens: sum('outputTokens'), toolCalls: 2, runs: 2 };
    // Turns and ended runs are counted apart from each other.
    const isCounted = ({ runs, inputTokens }: { runs: number; inputTokens: number }) => runs === 2 && inputTokens === expected.inputTokens;
    await until(async () => isCounted((await api.usage()).body.total), { timeoutMs: 2000, what: () => 'the usage to be counted' });
    expect((await api.usage()).body).toMatchObject({ total: expected, groups: [] });
    const byEngine = await api.call('GET', '/v1/usage?groupBy=engine');
    expect(byEngine.body).toMatchObject({ total: expected, groups: [{ key: 'tim-gpt', ...expected }] });
  });
});

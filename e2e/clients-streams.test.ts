import { describe, expect, test } from '@jest/globals';
import * as current from 'subconscious';
import * as previous from 'subconscious-0.1.9';
import { havePython, PYTHON_VERSIONS, type StreamReport, streamPython } from './clients/python.ts';
import { restart } from './faults.ts';
import { shapes } from './product.ts';
import { functionTool, instructionsOf } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const ANSWER = 'caf\u00e9 \u2028 \u2029 \u0085 \ud83d\ude00 "fin" \\ \n';
const NPM = [['subconscious@0.2.0', current], ['subconscious@0.1.9', previous]] as const;
type Client = InstanceType<(typeof current)['Subconscious']>;

havePython();

/** What a client of the npm package was told of a run. */
async function seen(client: Client, instructions: string, tools: unknown[] = []) {
  const events = [];
  for await (const event of client.stream({ engine: 'tim-gpt', input: { instructions, tools: tools as never[] } })) events.push(event as { type: string; content?: string; message?: string; code?: string });
  return { types: [...new Set(events.map(({ type }) => type))].sort(), last: events.at(-1)?.type, text: events.map(({ content = '' }) => content).join(''), errors: events.filter(({ type }) => type === 'error') };
}

describe.each(shapes)('released clients that stream from %s', (shape) => {
  const on = stage(shape);
  const tools = () => [functionTool('weather', `${on.endpoint.url}/tool/weather`)];
  const good = () => instructionsOf({ tools: 1, think: 'caf\u00e9', pace: 2, answer: ANSWER });
  const bad = () => instructionsOf({ fail: '400' });
  const long = () => instructionsOf({ pace: 20, answer: 'word '.repeat(400) });
  const document = { reasoning: expect.any(Array), answer: ANSWER };

  test.each(NPM)('npm %s reads one document, errors as they are, and may leave', async (_, { Subconscious }) => {
    const client = new Subconscious({ apiKey: on.api.key, baseUrl: `${on.api.base}/v1` }) as Client;
    const whole = await seen(client, good(), tools());
    expect([whole.types, whole.last, JSON.parse(whole.text)]).toEqual([['delta', 'done'], 'done', document]);
    const failed = await seen(client, bad());
    expect(failed.errors).toEqual([expect.objectContaining({ message: expect.stringMatching(/\S/), code: expect.stringMatching(/^upstream_/) })]);
    for await (const event of client.stream({ engine: 'tim-gpt', input: { instructions: long(), tools: [] } })) if (event.type === 'delta') break;
  });

  test.each(PYTHON_VERSIONS)('PyPI subconscious-sdk %s reads one document, errors as they are, and may leave', async (version) => {
    const [whole, failed, left] = (await streamPython(version, { baseUrl: `${on.api.base}/v1`, apiKey: on.api.key, instructions: [good(), bad(), long()], tools: tools() })) as [StreamReport, StreamReport, StreamReport];
    expect([whole.types, whole.last, JSON.parse(whole.text)]).toEqual([['delta', 'done'], 'done', document]);
    expect(failed.error).toEqual({ message: expect.stringMatching(/\S/), code: expect.stringMatching(/^upstream_/) });
    expect(left.text).toMatch(/^\{"/);
  });
});

describe.each(shapes.filter((shape) => shape === 'cluster'))('released clients that stream from %s', (shape) => {
  const on = stage(shape);

  test('read one document although both engines are killed in the middle of a reply', async () => {
    const name = `killed-${Date.now()}`;
    const instructions = (index: number) => instructionsOf({ run: `${name}-${index}`, think: 'hm '.repeat(20), pace: 20, answer: 'word '.repeat(250) });
    const clients = NPM.map(([, { Subconscious }]) => new Subconscious({ apiKey: on.api.key, baseUrl: `${on.api.base}/v1` }) as Client);
    const begun = (...runs: number[]) => until(() => runs.every((index) => (on.model.run(`${name}-${index}`)?.requests ?? 0) > 0), { timeoutMs: 30_000, what: () => 'the requests' });
    const python = PYTHON_VERSIONS.map(async (version, index) => (await streamPython(version, { baseUrl: `${on.api.base}/v1`, apiKey: on.api.key, instructions: [instructions(index + 2), instructionsOf({})], tools: [] }))[0]?.text);
    await begun(2, 3);
    const texts = [...python, ...clients.map(async (client, index) => (await seen(client, instructions(index))).text)];
    await begun(0, 1);
    await restart(on.product, ['engine-orchestrator-1', 'engine-orchestrator-2']);
    for (const text of await Promise.all(texts)) expect((JSON.parse(text ?? '') as { answer: string }).answer).toBe('word '.repeat(250));
    expect(on.model.run(`${name}-0`)?.requests).toBeGreaterThan(1);
  }, 120_000);
});

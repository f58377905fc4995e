import { describe, expect, test } from '@jest/globals';
import * as current from 'subconscious';
import * as previous from 'subconscious-0.1.9';
import type { PythonReport } from './clients/python.ts';
import { drivePython, havePython, PYTHON_VERSIONS } from './clients/python.ts';
import { shapes } from './product.ts';
import { functionTool, instructionsOf } from './request.ts';
import { stage } from './stage.ts';

const instructions = () => instructionsOf({ answer: 'It rains in Oslo.', tools: 1, delay: 300 });
const slowInstructions = () => instructionsOf({ hang: 9 });

havePython();

describe.each(shapes)('released clients against %s', (shape) => {
  const on = stage(shape);

  const tools = () => [functionTool('weather', `${on.endpoint.url}/tool/weather`, { timeout: 30 })];

  describe.each([['subconscious@0.2.0', current], ['subconscious@0.1.9', previous]])('npm %s', (_, { Subconscious, ...errors }) => {
    const client = () => new Subconscious({ apiKey: on.api.key, baseUrl: `${on.api.base}/v1` });
    const task = () => ({ engine: 'tim-gpt', input: { instructions: instructions(), tools: tools() as never[] } });

    test('runs, gets and waits', async () => {
      const { runId } = await client().run(task());
      expect(runId).toMatch(/^run_/);
      expect(['queued', 'running']).toContain((await client().get(runId)).status);
      const run = await client().wait(runId, { intervalMs: 50, maxAttempts: 600 });
      expect(run).toMatchObject({ runId, status: 'succeeded', result: { answer: 'It rains in Oslo.', reasoning: expect.any(Array) } });
    });

    test('awaits a run to its end', async () => {
      const run = await client().run({ ...task(), options: { awaitCompletion: true } });
      expect(run).toMatchObject({ status: 'succeeded', result: { answer: 'It rains in Oslo.' } });
    });

    test('cancels, and cancels again', async () => {
      const { runId } = await client().run({ engine: 'tim-gpt', input: { instructions: slowInstructions() } });
      expect(await client().cancel(runId)).toMatchObject({ runId, status: 'canceled' });
      expect(await client().cancel(runId)).toMatchObject({ runId, status: 'canceled' });
    });

    test('gets errors of the right class with code, status and details', async () => {
      const error = (call: Promise<unknown>) => call.then(() => undefined, (err: unknown) => err as current.SubconsciousError);
      const stranger = new Subconscious({ apiKey: 'not-a-key', baseUrl: `${on.api.base}/v1` });
      const badKey = await error(stranger.get('run_x'));
      expect(badKey).toBeInstanceOf(errors.AuthenticationError);
      expect(badKey).toMatchObject({ code: 'authentication_failed', status: 401, message: expect.stringMatching(/\S/) });
      for (const unknown of [await error(client().get('run_does_not_exist')), await error(client().cancel('run_does_not_exist'))]) {
        expect(unknown).toBeInstanceOf(errors.NotFoundError);
        expect(unknown).toMatchObject({ code: 'not_found', status: 404 });
      }
      const empty = await error(client().run({ engine: 'tim-gpt', input: { instructions: '' } }));
      expect(empty).toBeInstanceOf(errors.ValidationError);
      expect(empty).toMatchObject({ code: 'invalid_request', status: 400, details: expect.any(Object) });
      const engine = await error(client().run({ ...task(), engine: 'no-such-engine' }));
      expect(engine).toBeInstanceOf(errors.ValidationError);
    });
  });

  test.each(PYTHON_VERSIONS)('PyPI subconscious-sdk %s runs, gets, waits, cancels and gets structured errors', async (version) => {
    const report: PythonReport = await drivePython(version, {
      baseUrl: `${on.api.base}/v1`, apiKey: on.api.key, instructions: instructions(), slowInstructions: slowInstructions(), tools: tools(),
    });
    const succeeded = { status: 'succeeded', answer: 'It rains in Oslo.', hasReasoning: true, hasUsage: true };
    expect(report).toMatchObject({
      runId: expect.stringMatching(/^run_/), firstLook: { status: expect.stringMatching(/^(queued|running)$/) },
      waited: { runId: report.runId, ...succeeded }, awaited: succeeded,
      canceled: { status: 'canceled' }, canceledAgain: { status: 'canceled' },
      errors: {
        badKey: { name: 'AuthenticationError', code: 'authentication_failed', status: 401 },
        unknownRun: { name: 'NotFoundError', code: 'not_found', status: 404 },
        unknownCancel: { name: 'NotFoundError', code: 'not_found', status: 404 },
        badRequest: { name: 'ValidationError', code: 'invalid_request', status: 400, details: expect.any(Object) },
        unknownEngine: { name: 'ValidationError', code: 'invalid_request', status: 400 },
      },
    });
  });

  test('a key with string answers gives PyPI subconscious-sdk 1.0.0 a structured answer as the text that it needs', async () => {
    const api = await on.newTenant({ answerEncoding: 'string' });
    const structured = instructionsOf({ answer: '{"sky":"grey"}' });
    const answerFormat = { type: 'object', title: 'Sky', properties: { sky: { type: 'string' } }, required: ['sky'] };
    const report = await drivePython('1.0.0', {
      baseUrl: `${api.base}/v1`, apiKey: api.key, instructions: structured, slowInstructions: slowInstructions(), tools: [], answerFormat,
    });
    expect(JSON.parse(report.waited.answer as string)).toEqual({ sky: 'grey' });
  });
});

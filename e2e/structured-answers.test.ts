import { describe, expect, test } from '@jest/globals';
import * as current from 'subconscious';
import { z as four } from 'zod';
import { z as three } from 'zod/v3';
import { drivePydantic, havePython, PYTHON_VERSIONS } from './clients/python.ts';
import { shapes } from './product.ts';
import { instructionsOf } from './request.ts';
import { stage } from './stage.ts';

const weather = { city: 'Oslo', days: [{ sky: 'grey', celsius: -3 }], wind: 7 };

function zodThree() {
  const day = three.object({ sky: three.enum(['grey', 'blue']), celsius: three.number().int() });
  return three.object({ city: three.string(), days: three.array(day), wind: three.union([three.number(), three.string()]), note: three.string().optional() });
}

function zodFour() {
  const day = four.object({ sky: four.enum(['grey', 'blue']), celsius: four.int() });
  return four.object({ city: four.string(), days: four.array(day), wind: four.union([four.number(), four.string()]), note: four.string().optional() });
}

havePython();

describe.each(shapes)('an answer format in %s', (shape) => {
  const on = stage(shape);
  const client = () => new current.Subconscious({ apiKey: on.api.key, baseUrl: `${on.api.base}/v1` });
  const answered = async (instructions: string, answerFormat: object) => {
    const { runId } = await client().run({ engine: 'tim-gpt', input: { instructions, answerFormat: answerFormat as never } });
    return client().wait(runId, { intervalMs: 50, maxAttempts: 1200 });
  };

  test('made from a Zod 3 schema by the npm client gives what the schema parses', async () => {
    const run = await answered(instructionsOf({ answer: JSON.stringify(weather) }), current.zodToJsonSchema(zodThree() as never, 'Weather'));
    expect(zodThree().parse(run.result?.answer)).toEqual(weather);
  });

  test('made from a Zod 4 schema by Zod itself gives what the schema parses', async () => {
    const run = await answered(instructionsOf({ answer: JSON.stringify(weather) }), four.toJSONSchema(zodFour()));
    expect(zodFour().parse(run.result?.answer)).toEqual(weather);
  });

  test('made from a Zod 4 schema by the npm client, which makes a text of each field, is answered as it says', async () => {
    const format = current.zodToJsonSchema(zodFour() as never, 'Weather') as unknown as { properties: Record<string, unknown> };
    const texts = Object.fromEntries(Object.keys(format.properties).map((name) => [name, `${name} of Oslo`]));
    const run = await answered(instructionsOf({ answer: JSON.stringify(texts) }), format);
    expect([run.status, run.result?.answer]).toEqual(['succeeded', texts]);
  });

  test.each(PYTHON_VERSIONS)('made from a Pydantic model by subconscious-sdk %s gives what the model parses', async (version) => {
    const api = await on.newTenant(version === '1.0.0' ? { answerEncoding: 'string' } : {});
    const report = await drivePydantic(version, { baseUrl: `${api.base}/v1`, apiKey: api.key, instructions: instructionsOf({ answer: JSON.stringify({ ...weather, note: null }) }) });
    expect(report).toMatchObject({ status: 'succeeded', parsed: weather });
  });

  test('that the model misses at first is asked for again with what was wrong', async () => {
    const wrong = JSON.stringify({ ...weather, days: [{ sky: 'green', celsius: 0.5 }] });
    const run = await answered(instructionsOf({ answer: JSON.stringify(weather), wrong, wrongs: 2 }), four.toJSONSchema(zodFour()));
    expect([run.status, run.result?.answer]).toEqual(['succeeded', weather]);
  });

  test('that the model goes on missing fails the run with what was wrong', async () => {
    const wrong = JSON.stringify({ ...weather, days: [{ sky: 'green', celsius: 1 }] });
    const run = await answered(instructionsOf({ answer: wrong }), four.toJSONSchema(zodFour()));
    expect(run).toMatchObject({ status: 'failed', error: { code: 'invalid_answer', details: { errors: [expect.stringContaining('#/days/0/sky')] } } });
  });
});

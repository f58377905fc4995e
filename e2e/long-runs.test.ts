import { describe, expect, jest, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Run, Task } from './api.client.ts';
import { restart } from './faults.ts';
import { isFull } from './load.ts';
import { shapes, smallEngine } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const calls = 40;
/** Three lists of subtasks are opened, six subtasks concluded, and the answer is a turn of its own. */
const turns = calls + 3 + 6 + 1;

jest.setTimeout(300_000);

/** What a task and its subtasks called, by the step that the fake model counts. */
function calledIn({ tooluse, subtasks = [] }: Task): unknown[] {
  const own = tooluse ? [(tooluse['parameters'] as { step: number }).step] : [];
  return [...own, ...subtasks.flatMap(calledIn)];
}

/** The tree of the plan 2x2, with every call in it, in order, and its result whole. */
function expectTheTree({ result, usage }: Run): void {
  const outer = result?.reasoning ?? [];
  expect(outer.map(({ title, subtasks }) => [title, subtasks?.map((task) => task.title)])).toEqual([['part 1', ['part 1 1', 'part 1 2']], ['part 2', ['part 2 1', 'part 2 2']]]);
  const inner = outer.flatMap(({ subtasks = [] }) => subtasks);
  for (const task of [...outer, ...inner]) expect(task).toMatchObject({ thought: expect.stringContaining(task.title ?? ''), conclusion: expect.stringContaining('concluded') });
  for (const task of inner.flatMap(({ subtasks = [] }) => subtasks)) expect(task).toMatchObject({ tooluse: { tool_result: { page: 'x'.repeat(8000) } } });
  const steps = outer.flatMap(calledIn);
  expect(steps).toHaveLength(calls);
  expect(steps).toEqual([...steps].sort((a, b) => Number(a) - Number(b)));
  expect(usage?.toolCalls).toEqual({ page: calls });
}

function longRun(url: string, engine: string, run: string) {
  const page = { ...functionTool('page', `${url}/tool/big/${run}?bytes=8000`), parameters: { type: 'object', properties: { step: { type: 'integer' } } } };
  return { ...request({ run, plan: '2x2', tools: calls, answer: 'all forty read' }, { input: { tools: [page] } }), engine };
}

describe.each(shapes)('a run of many steps in %s', (shape) => {
  const on = stage(shape);

  test('gives back the whole tree of what it planned and did', async () => {
    const run = randomUUID();
    const { body } = await on.api.post(longRun(on.endpoint.url, 'tim-gpt', run));
    const ended = await on.settled(body.runId);
    expect(ended.result?.answer).toBe('all forty read');
    expectTheTree(ended);
  });

  test('whose answer has not the format that was asked for is asked again, and fails with what was wrong', async () => {
    const answerFormat = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
    const run = randomUUID();
    const ended = await on.completed({ run, answer: '{"n":"one"}' }, { input: { answerFormat } });
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'invalid_answer', details: { errors: [expect.stringContaining('#/n')] } } });
    expect(on.model.run(run)?.requests).toBe(3);
  });
});

if (shapes.includes('cluster')) {
  describe('a run whose steps are far more than its engine’s context', () => {
    const on = stage('cluster');

    test('stays within it, and ends the same however often its engines are killed', async () => {
      const run = randomUUID();
      const { body } = await on.api.post(longRun(on.endpoint.url, smallEngine, run));
      const every = isFull ? 10 : 25;
      for (let step = every; step < turns; step += every) {
        await until(() => (on.model.run(run)?.answered ?? 0) >= step, { timeoutMs: 60_000, what: () => `turn ${step}` });
        await restart(on.product, ['engine-orchestrator-1', 'engine-orchestrator-2']);
      }
      const ended = await on.settled(body.runId);
      expect(ended).toMatchObject({ status: 'succeeded', result: { answer: 'all forty read' } });
      expectTheTree(ended);
      const prompts = on.asked(run);
      expect(prompts.length).toBeGreaterThanOrEqual(turns);
      for (const { messages, tools } of prompts) expect(JSON.stringify([messages, tools]).length / 4).toBeLessThan(16_000);
    });
  });
}

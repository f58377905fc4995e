import { describe, expect, jest, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { documentOf, followRun, judgeStreams, openStream } from './event-stream.ts';
import { freeze, restart } from './faults.ts';
import { rounds } from './load.ts';
import { leaseMs, shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';

const RUNS = 4;
const ANSWER = 'one two three four five six '.repeat(80);

jest.setTimeout(300_000);

describe.each(shapes.filter((shape) => shape === 'cluster'))('streams of %s', (shape) => {
  const on = stage(shape);
  const gateways = () => [on.product.port, on.product.port + 10].map((port) => `http://127.0.0.1:${port}`);

  const follow = (runId: string, from: number, first: number) => followRun(gateways(), { key: on.api.key, runId, from, first });

  /** What is wrong with what observers of some runs are shown while `fault` goes on. */
  async function watched(fault: () => Promise<void>): Promise<string[]> {
    const runIds = await Promise.all(Array.from({ length: RUNS }, async () => (await on.api.post(request({ think: 'hm '.repeat(20), pace: 12, answer: ANSWER }))).body.runId));
    const observers = runIds.flatMap((runId) => [0, 1].map((gateway) => follow(runId, 0, gateway)));
    let isOver = false;
    const joining = runIds.map(async (runId) => {
      const joined = [];
      for (let at = 0; !isOver; at += 7) {
        joined.push(follow(runId, at % 90, at % 2));
        await pause(400);
      }
      return Promise.all(joined);
    });
    await fault();
    isOver = true;
    const all = await Promise.all(observers);
    const later = await Promise.all(joining);
    const problems = await Promise.all(runIds.map(async (runId, index) => {
      const replayed = await follow(runId, 0, 0);
      const { answer } = JSON.parse(documentOf(replayed.events)) as { answer: string };
      return [...judgeStreams([...all.slice(2 * index, 2 * index + 2), ...(later[index] ?? []), replayed]), ...(answer === ANSWER ? [] : [`${runId} answers ${answer}`])];
    }));
    return problems.flat();
  }

  test.each([['gateway-1'], ['engine-orchestrator-1', 'engine-orchestrator-2'], ['redis'], ['postgres']])('are exact for everybody while %s is killed with -9', async (...names) => {
    for (let round = 0; round < rounds; round += 1) {
      const problems = await watched(async () => {
        await pause(800);
        await restart(on.product, names);
        await pause(500);
      });
      expect(problems).toEqual([]);
    }
  });

  test('are exact while an engine stands still for longer than its lease, and wakes up', async () => {
    const problems = await watched(async () => {
      await pause(800);
      const goOn = freeze(on.product, 'engine-orchestrator-1');
      await pause(leaseMs + 1500);
      goOn();
      await pause(500);
    });
    expect(problems).toEqual([]);
  });

  test('are the same from every fifth frame of a run of more than 500, while a gateway is killed with -9', async () => {
    const runId = await on.start({ tools: 17, parallel: 8, answer: 'x y z '.repeat(200) }, { input: { tools: [functionTool('weather', `${on.endpoint.url}/tool/weather`)] } });
    const whole = await follow(runId, 0, 0);
    const last = Number(whole.events.at(-2)?.id);
    expect(last).toBeGreaterThan(500);
    const parts = [];
    const killed = restart(on.product, ['gateway-2']);
    for (let from = 0; from < last; from += 5) parts.push(await follow(runId, from, from % 2));
    await killed;
    expect(judgeStreams([whole, ...parts])).toEqual([]);
    expect(parts.map(({ from, events }) => events.length === whole.events.length - from)).toEqual(parts.map(() => true));
  });

  test('say that one may come back when their gateway stops, and go on at another', async () => {
    const posted = await openStream(`${gateways()[1]}/v1/runs/stream`, { key: on.api.key, body: request({ hang: 9 }) });
    const runId = posted.headers.get('x-run-id') as string;
    const observed = await openStream(`${gateways()[1]}/v1/runs/${runId}/stream`, { key: on.api.key });
    await restart(on.product, ['gateway-2'], 'SIGTERM');
    expect([await posted.ended, await observed.ended]).toEqual(['ended', 'ended']);
    expect(observed.raw()).toMatch(/\n\n: [^\n]+\nretry: 1000\n\n$/);
    const [notice, done] = posted.events.slice(-2);
    expect([notice?.id, notice?.event, done?.data]).toEqual([undefined, 'error', '[DONE]']);
    expect(JSON.parse(notice?.data ?? '')).toMatchObject({ type: 'error', code: 'service_unavailable' });
    const later = follow(runId, observed.events.length, 0);
    await on.api.cancel(runId);
    const { events } = await later;
    expect(judgeStreams([{ from: 0, events: [...observed.events, ...events] }])).toEqual([]);
  });
});

import { expect, test } from '@jest/globals';
import { endedAmong } from './ended-runs.client.ts';
import { InternalClient } from './internal.client.ts';

test('all runs are asked about, each once, a thousand at a time', async () => {
  const asked: string[][] = [];
  const client = new InternalClient(({ body }) => {
    const { runIds } = JSON.parse(body ?? '') as { runIds: string[] };
    asked.push(runIds);
    return Promise.resolve({ status: 200, body: JSON.stringify({ runIds: runIds.filter((id) => id.endsWith('7')) }) });
  }, 'token');
  const runIds = Array.from({ length: 1500 }, (_, index) => `run_${index}`);
  expect((await endedAmong(client, '/internal/ended', [...runIds, 'run_7'])).size).toBe(150);
  expect(asked.map(({ length }) => length)).toEqual([1000, 500]);
  expect((await endedAmong(client, '/internal/ended', [])).size).toBe(0);
  expect(asked).toHaveLength(2);
});

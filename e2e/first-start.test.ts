import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startFakeEndpoint } from '@nightshift/testing';
import { apiOf } from './api.client.ts';
import { isTerminal } from './history.ts';
import { isAlive } from './processes.ts';
import type { ProductState } from './product.ts';
import { launch, newState, outputOf, ready, stop } from './product.ts';
import { functionTool } from './request.ts';
import { until } from './until.ts';

describe('the standalone process with nothing configured', () => {
  let product: ProductState;

  beforeAll(async () => {
    product = launch({ ...(await newState('standalone')), apiKey: '', adminToken: '', modelPort: 0 });
    await ready(product);
  }, 120_000);
  afterAll(() => stop(product), 60_000);

  const key = () => readFileSync(join(product.dataDir, 'api-key'), 'utf8').trim();

  async function ended(runId: string) {
    const api = apiOf(product.port, key());
    await until(async () => isTerminal((await api.get(runId)).body.status), { timeoutMs: 60_000, what: () => `the end of ${runId}` });
    return (await api.get(runId)).body;
  }

  test('says where it is, where the key is, and that no model is configured', () => {
    const printed = outputOf(product);
    expect(printed).toContain(`http://127.0.0.1:${product.port}`);
    expect(printed).toContain(join(product.dataDir, 'api-key'));
    expect(printed).toMatch(/offline/i);
    expect(statSync(join(product.dataDir, 'api-key')).mode & 0o777).toBe(0o600);
  });

  test('prints a curl line that works as it is pasted, and the run succeeds and says that it was answered offline', async () => {
    const line = outputOf(product).split('\n').find((printed) => printed.trim().startsWith('curl ')) ?? '';
    const { stdout } = await promisify(execFile)('sh', ['-c', line]);
    const { runId, status } = JSON.parse(stdout) as { runId: string; status: string };
    expect(status).toBe('queued');
    const run = await ended(runId);
    expect(run).toMatchObject({ status: 'succeeded', result: { answer: expect.stringMatching(/offline/i) } });
  });

  test('answers the same to the same instructions, and calls the tools that it is given', async () => {
    const endpoint = await startFakeEndpoint();
    try {
      const tools = [functionTool('weather', `${endpoint.url}/tool/weather`)];
      const body = { engine: 'tim', input: { instructions: 'What is the weather in Oslo?', tools } };
      const api = apiOf(product.port, key());
      const runs = await Promise.all([api.post(body), api.post(body)].map(async (reply) => ended((await reply).body.runId)));
      expect(runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
      expect(runs[0]?.result?.answer).toEqual(runs[1]?.result?.answer);
      expect(endpoint.requests({ prefix: '/tool/weather' })).toHaveLength(2);
    } finally {
      await endpoint.close();
    }
  });

  test('starts again with its data and without showing the key again', async () => {
    const before = outputOf(product);
    const { runId } = (await apiOf(product.port, key()).post({ engine: 'tim', input: { instructions: 'Say hello' } })).body;
    const run = await ended(runId);
    process.kill(product.pid, 'SIGTERM');
    await until(() => !isAlive(product.pid), { timeoutMs: 60_000, what: () => 'the first process to end' });
    product = launch(product);
    await ready(product);
    expect(outputOf(product).slice(before.length)).not.toContain(key());
    expect((await apiOf(product.port, key()).get(runId)).body).toEqual(run);
  });
});

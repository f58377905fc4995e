import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { shapes } from './product.ts';
import type { Script } from './request.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';

const kib = 1024;
const mib = 1024 * kib;

describe.each(shapes)('%s outlives hostile content:', (shape) => {
  const on = stage(shape);
  let raw = '';
  /** A tool that answers with bytes that no honest JSON writer makes. */
  const hostile = createServer((_, res) => res.setHeader('content-type', 'application/json').end(raw));

  beforeAll(async () => {
    hostile.listen(0, '127.0.0.1');
    await once(hostile, 'listening');
  });
  afterAll(() => {
    hostile.close();
    hostile.closeAllConnections();
  });

  async function runWith(script: Script, { url = `${on.endpoint.url}/tool/echo`, prefix = '' } = {}) {
    const run = randomUUID();
    const body = request({ run, ...script }, { input: { tools: [functionTool('fetch', url)] }, output: { callbackUrl: `${on.endpoint.url}/hook` } });
    body.input.instructions = `${prefix}${body.input.instructions}`;
    const accepted = await on.api.post(body);
    expect(accepted.status).toBe(202);
    const ended = await on.settled(accepted.body.runId);
    const webhook = await on.arrival('/hook', ended.runId);
    expect(JSON.parse(webhook.body)).toMatchObject({ runId: ended.runId, status: ended.status });
    const told = on.asked(run).at(-1)?.messages?.filter((message) => message.role === 'tool').map((message) => String(message.content)) ?? [];
    return { ended, webhook, told };
  }

  test('a tool result with a NUL and a lone surrogate reaches the model as well-formed text', async () => {
    const { ended, told } = await runWith({ tools: 1 }, { url: `${on.endpoint.url}/tool/nul` });
    expect(ended.status).toBe('succeeded');
    expect(told).toEqual([expect.stringContaining('nul: surrogate:\ufffd end')]);
    expect(JSON.stringify(ended.result)).toContain('nul: surrogate:\ufffd end');
  });

  test('a tool result of 2 MiB reaches the model cut, and says so', async () => {
    const { ended, told } = await runWith({ tools: 1 }, { url: `${on.endpoint.url}/tool/big?bytes=${2 * mib}` });
    expect(ended.status).toBe('succeeded');
    expect(told).toHaveLength(1);
    expect(told[0]?.length).toBeLessThan(300 * kib);
    expect(told[0]?.slice(-400)).toMatch(/cut|truncated|too large|limit/i);
  });

  test.each([
    ['deeply nested', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['not JSON', 'plain words'],
    ['broken in the middle of a character', '{"page":"\u00e4'],
    ['a raw NUL', 'before\u0000after'],
    ['empty', ''],
    ['a prototype', '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{}}}'],
  ])('a tool result that is %s does not fail the run', async (_, text) => {
    raw = text;
    const { ended, told } = await runWith({ tools: 1 }, { url: `http://127.0.0.1:${(hostile.address() as AddressInfo).port}/` });
    expect([ended.status, told.length]).toEqual(['succeeded', 1]);
    expect(told[0]).not.toContain('\u0000');
  });

  test('an answer with a NUL and a lone surrogate is kept as well-formed text', async () => {
    const { ended } = await runWith({ nul: 1, answer: 'end' });
    expect(ended).toMatchObject({ status: 'succeeded', result: { answer: 'nul: surrogate:\ufffd end' } });
  });

  test('an answer of 4 MiB ends in a bounded way, alike for who polls and who is told', async () => {
    const { ended, webhook } = await runWith({ answer: 'x', big: 4 * mib });
    if (ended.status === 'succeeded') {
      expect(String(ended.result?.answer).length).toBe(4 * mib);
      expect(webhook.body.length).toBeGreaterThan(4 * mib);
    } else {
      expect(ended).toMatchObject({ status: 'failed', error: { code: expect.stringMatching(/^[a-z_]+$/), message: expect.stringMatching(/\w+ \w+/) } });
    }
  });

  test('instructions with a NUL and a lone surrogate are taken and cleaned', async () => {
    const { ended } = await runWith({}, { prefix: 'before\u0000between\ud800after ' });
    expect(ended.status).toBe('succeeded');
    const asked = JSON.stringify(on.model.recent().map(({ body }) => body.messages));
    expect(asked).toContain('beforebetween\ufffdafter');
  });
});

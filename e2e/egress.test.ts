import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { shapes } from './product.ts';
import { functionTool } from './request.ts';
import { stage } from './stage.ts';

/** Spellings of the address at which clouds hand out credentials. */
const metadata = ['169.254.169.254', '2852039166', '0xA9FEA9FE', '0251.0376.0251.0376', '169.254.43518', 'example.com@169.254.169.254', '169。254。169。254', '[::ffff:a9fe:a9fe]', '[64:ff9b::a9fe:a9fe]', '[2002:a9fe:a9fe::]'];
/** Spellings that lead to this machine, and are not in the range of it that the product may reach. */
const here = ['0', '0.0.0.0', '0x0', '000000.0', '[::]', '[::ffff:0:0]'];

describe.each(shapes)('an address that is not public, in %s', (shape) => {
  const on = stage(shape);
  let connections = 0;
  const listener = createServer((_, res) => res.end('{}')).on('connection', () => (connections += 1));

  beforeAll(async () => {
    listener.listen(0, '0.0.0.0');
    await once(listener, 'listening');
  });
  beforeEach(() => void (connections = 0));
  afterAll(() => {
    listener.close();
    listener.closeAllConnections();
  });

  const at = (host: string) => `http://${host}:${(listener.address() as AddressInfo).port}/latest/meta-data`;
  const redirect = (to: string) => `${on.endpoint.url}/tool/redirect?to=${encodeURIComponent(to)}`;
  const disguised = () => [...metadata, ...here].map(at);
  const all = () => [...disguised(), redirect(at('0')), redirect('http://2852039166/')];

  /** What the model is told by each of the tools, called side by side in one run that goes on. */
  async function toldBy(tools: readonly object[]): Promise<string[]> {
    const run = randomUUID();
    expect(await on.completed({ run, tools: 1, parallel: tools.length }, { input: { tools } })).toMatchObject({ status: 'succeeded', result: { answer: 'ok' } });
    return on.asked(run).at(-1)?.messages?.filter((message) => message.role === 'tool').map((message) => String(message.content)) ?? [];
  }

  const refused = (count: number) => Array.from({ length: count }, () => expect.stringMatching(/is not a public address/));

  test('is not what the listener has: a tool that may reach it does', async () => {
    expect(await toldBy([functionTool('allowed', at('127.0.0.1'))])).toEqual(['{}']);
    expect(connections).toBe(1);
  });

  test('is sent nothing by function tools, however it is spelled, and the model hears of it', async () => {
    const tools = all().map((url, index) => functionTool(`tool_${index}`, url, { method: index % 2 === 0 ? 'POST' : 'GET' }));
    expect(await toldBy(tools)).toEqual(refused(tools.length));
    expect(connections).toBe(0);
  });

  test('is sent nothing by page_reader', async () => {
    const ids = ['page_reader', 'webpage_understanding', 'exa_crawl', 'parallel_extract'];
    const urls = all();
    for (let from = 0; from < urls.length; from += ids.length) {
      const tools = urls.slice(from, from + ids.length).map((url, index) => ({ type: 'platform', id: ids[index], options: { url } }));
      expect(await toldBy(tools)).toEqual(refused(tools.length));
    }
    expect(connections).toBe(0);
  });

  test('is sent nothing by MCP tools, neither when they are listed nor when they are called', async () => {
    const tools = disguised().map((url, index) => ({ type: 'mcp', url, allowedTools: [`read_${index}`], auth: { type: 'bearer', token: 'canary' } }));
    expect(await toldBy(tools)).toEqual(refused(tools.length));
    expect(connections).toBe(0);
  });
});

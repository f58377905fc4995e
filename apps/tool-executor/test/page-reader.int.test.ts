import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createEgress, type Egress } from '@nightshift/http';
import { waitFor } from '@nightshift/testing';
import { Documents } from '../src/documents.client.ts';
import { type PageCall, readPage } from '../src/page-reader.tool.ts';
import { pdf, pdfBomb } from './pdf.ts';

type Page = { body: string | Buffer; type?: string; status?: number; headers?: Record<string, string> };

const sentence = 'The harbour of the old town was quiet that morning, and only two boats, both of them blue, had gone out. ';
const article = `<!doctype html><html><head><title>Harbour news</title><style>p { color: red }</style></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/login">Log in</a></li></ul></nav>
<article><h1>Two boats</h1><p>${sentence.repeat(3)}</p><p>See <a href="/boats?x=1">the boats</a> and <a href="javascript:alert(1)">this</a>. ${sentence}</p>
<h2>Figures</h2><table><tr><th>boat</th><th>fish</th></tr><tr><td>one</td><td>3 | 4</td></tr></table>
<pre><code>x = 1</code></pre><p>${sentence.repeat(3)}</p></article>
<script>document.write('scripted')</script><footer>All rights reserved</footer></body></html>`;

const pages: Record<string, Page> = {
  '/article': { body: article, type: 'text/html; charset=utf-8' },
  '/moved': { body: '', status: 302, headers: { location: '/folder/article' } },
  '/folder/article': { body: article.replaceAll('/boats?x=1', 'boats'), type: 'text/html' },
  '/based': { body: article.replace('<head>', '<head><base href="/elsewhere/">').replaceAll('/boats?x=1', 'boats'), type: 'text/html' },
  '/short': { body: '<title>Short</title><p>Just <b>this</b>.</p><script>no()</script>', type: 'text/html' },
  '/latin': { body: Buffer.from('<html><body><p>caf\u00e9</p></body></html>', 'latin1'), type: 'text/html; charset=iso-8859-1' },
  '/meta': { body: Buffer.from('<html><head><meta charset="windows-1252"></head><body><p>caf\u00e9</p></body></html>', 'latin1'), type: 'text/html' },
  '/unheard-charset': { body: '<html><body><p>plain</p></body></html>', type: 'text/html; charset=unheard' },
  '/zipped': { body: gzipSync(article), type: 'text/html', headers: { 'content-encoding': 'gzip' } },
  '/text': { body: 'plain\u0000 words', type: 'text/plain' },
  '/json': { body: '{"a":1}', type: 'application/json' },
  '/long': { body: Array.from({ length: 9000 }, (_, i) => `line ${i} \u{1f600}`).join('\n'), type: 'text/plain' },
  '/huge': { body: Buffer.alloc(9 * 1024 * 1024, 'x'), type: 'text/plain' },
  '/pdf': { body: pdf('Quarterly harbour report'), type: 'application/pdf' },
  '/pdf-in-disguise': { body: pdf('Quarterly harbour report'), type: 'application/octet-stream' },
  '/broken-pdf': { body: '%PDF-1.7 nothing more', type: 'application/pdf' },
  '/bomb': { body: await pdfBomb(256), type: 'application/pdf' },
  '/image': { body: Buffer.from([0x89, 0x50, 0x4e, 0x47]), type: 'image/png' },
  '/gone': { body: 'gone', status: 410 },
  '/inside': { body: '', status: 302, headers: { location: 'http://169.254.169.254/latest/meta-data' } },
  '/nested': { body: `<html><body>${'<div>'.repeat(50_000)}deep`, type: 'text/html' },
};

const server = createServer((req, res: ServerResponse) => {
  const page = pages[req.url ?? ''] ?? { body: 'no such page', status: 404 };
  res.writeHead(page.status ?? 200, { ...(page.type !== undefined && { 'content-type': page.type }), ...page.headers }).end(page.body);
});
let origin: string;
let egress: Egress;
const documents = new Documents();

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  egress = createEgress({ allow: [] });
});
afterAll(async () => {
  await documents.close();
  await egress.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const read = (path: string, more: Partial<PageCall> = {}, by = documents) => readPage(egress, by, { url: `${origin}${path}`, orgId: 'org_1', signal: new AbortController().signal, allow: ['127.0.0.1/32'], ...more });
const textOf = async (path: string): Promise<string> => ((await read(path)).content as { text: string }).text;

describe('a web page is read', () => {
  test('as Markdown, without what is around its article', async () => {
    const { isError, content } = await read('/article');
    expect([isError, content]).toEqual([false, { url: `${origin}/article`, title: 'Harbour news', text: expect.any(String) }]);
    const { text } = content as { text: string };
    expect(text).toContain(sentence.trim());
    expect(text).toContain(`[the boats](${origin}/boats?x=1)`);
    expect(text).toContain('## Figures');
    expect(text).toContain('| boat | fish |\n| --- | --- |\n| one | 3 \\| 4 |');
    expect(text).toContain('```\nx = 1\n```');
    for (const word of ['scripted', 'Log in', 'color', 'javascript', 'All rights reserved']) expect(text).not.toContain(word);
  });

  test('where it has moved, with links that lead from there', async () => {
    const { content } = await read('/moved');
    expect(content).toMatchObject({ url: `${origin}/folder/article`, text: expect.stringContaining(`(${origin}/folder/boats)`) });
    expect(await textOf('/based')).toContain(`(${origin}/elsewhere/boats)`);
  });

  test('whole, when it has no article', async () => {
    expect(await read('/short')).toEqual({ isError: false, content: { url: `${origin}/short`, title: 'Short', text: 'Just **this**.' } });
  });

  test('in the encoding that it or its server names', async () => {
    expect(await textOf('/latin')).toBe('caf\u00e9');
    expect(await textOf('/meta')).toBe('caf\u00e9');
    expect(await textOf('/unheard-charset')).toBe('plain');
    expect(await textOf('/zipped')).toContain('Figures');
  });

  test('as it is, when it is text, but for what cannot be stored', async () => {
    expect(await textOf('/text')).toBe('plain words');
    expect(await textOf('/json')).toBe('{"a":1}');
  });

  test('as the text of a PDF with its title, whatever its server calls it', async () => {
    for (const path of ['/pdf', '/pdf-in-disguise']) expect((await read(path)).content).toMatchObject({ title: 'Report', text: 'Quarterly harbour report' });
  });

  test('in parts that make the whole, without cutting a character', async () => {
    const whole = String(pages['/long']?.body);
    let text = '';
    for (let start: number | undefined = 0; start !== undefined; ) {
      const { content } = await read('/long', { start });
      const part = content as { text: string; nextStart?: number };
      expect(part.text.isWellFormed()).toBe(true);
      text += part.text;
      start = part.nextStart;
    }
    expect(text).toBe(whole);
    expect((await read('/long', { start: 1e9 })).content).toMatchObject({ text: '' });
  });

  test('as far as the limit, and says so', async () => {
    expect((await read('/huge')).content).toMatchObject({ truncated: expect.stringContaining('8388608') });
  });
});

describe('the model is told', () => {
  test.each([
    ['/image', 'unreadable', /image\/png/],
    ['/broken-pdf', 'unreadable', /cannot be read/],
    ['/gone', 'http_status', /410/],
    ['/nowhere', 'http_status', /404/],
    ['/inside', 'address_blocked', /./],
  ])('why %s cannot be read: %s', async (path, errorCode, message) => {
    expect(await read(path)).toMatchObject({ isError: true, errorCode, content: { message: expect.stringMatching(message) } });
  });

  test.each([
    ['ftp://example.com/', 'invalid_url'],
    ['file:///etc/passwd', 'invalid_url'],
    ['not a url', 'invalid_url'],
    ['http://10.0.0.1/', 'address_blocked'],
    ['http://[::1]/', 'address_blocked'],
  ])('why %s is not fetched', async (url, errorCode) => {
    expect(await read('', { url })).toMatchObject({ isError: true, errorCode });
  });

  test('that the organisation may not reach a private address', async () => {
    expect(await read('/article', { allow: [] })).toMatchObject({ errorCode: 'address_blocked' });
  });
});

describe('a page made to keep the reader busy', () => {
  const hasty = new Documents({ timeoutMs: 5000 });
  afterAll(() => hasty.close());

  test('is given up after its time, and the next one is read', async () => {
    expect(await read('/nested', {}, hasty)).toMatchObject({ isError: true, errorCode: 'unreadable', content: { message: expect.stringContaining('too long') } });
    expect((await read('/short', {}, hasty)).isError).toBe(false);
  });
});

test('a PDF that unpacks to more memory than one may take is given up, and the next one is read', async () => {
  const tight = new Documents({ timeoutMs: 60_000, growthBytesMax: 64 * 1024 * 1024 });
  try {
    // The thread and what it needs to read a PDF are there before the first measure.
    expect((await read('/pdf', {}, tight)).isError).toBe(false);
    expect(await read('/bomb', {}, tight)).toMatchObject({ isError: true, errorCode: 'unreadable', content: { message: expect.stringContaining('too much memory') } });
    expect((await read('/short', {}, tight)).isError).toBe(false);
  } finally {
    await tight.close();
  }
});

test('a page that nobody waits for any more is given up with the reason', async () => {
  const controller = new AbortController();
  const pending = read('/nested', { signal: controller.signal });
  controller.abort(new Error('canceled'));
  await expect(pending).rejects.toThrow();
});

test('no more pages are fetched at a time than there is room for, and organisations take turns at it', async () => {
  const crowded = new Documents({ documentsMax: 2 });
  const order: string[] = [];
  const held: ServerResponse[] = [];
  let inFlight = 0;
  let most = 0;
  const slow = createServer((req, res) => {
    order.push(req.url ?? '');
    most = Math.max(most, (inFlight += 1));
    held.push(res.setHeader('content-type', 'text/plain'));
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const url = (path: string) => `http://127.0.0.1:${(slow.address() as AddressInfo).port}${path}`;
  const release = () => {
    inFlight -= 1;
    held.shift()!.end('read');
  };
  try {
    const crowd = Array.from({ length: 5 }, (_, at) => read('', { url: url(`/crowd/${at}`) }, crowded));
    const one = read('', { url: url('/one'), orgId: 'org_2' }, crowded);
    for (let left = 6; left > 0; left -= 1) {
      await waitFor(() => Promise.resolve(held.length === Math.min(2, left) || undefined));
      release();
    }
    for (const { isError, content } of await Promise.all([...crowd, one])) expect([isError, content]).toEqual([false, expect.objectContaining({ text: 'read' })]);
    expect(most).toBe(2);
    expect(order.indexOf('/one')).toBeLessThan(4);
  } finally {
    slow.closeAllConnections();
    await new Promise((resolve) => slow.close(resolve));
    await crowded.close();
  }
});

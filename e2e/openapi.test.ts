import { describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { apiOf, call } from './api.client.ts';
import { environmentOf, pidsOf } from './processes.ts';
import { shapes } from './product.ts';
import { stage } from './stage.ts';

type Operation = { operationId?: string; parameters?: { name: string; in: string }[]; responses: Record<string, unknown> };
type Document = { openapi: string; info: { title: string }; paths: Record<string, Record<string, Operation>> };

describe.each(shapes)('%s describes itself', (shape) => {
  const on = stage(shape);
  const anybody = () => apiOf(on.product.port, '');

  async function document(): Promise<Document> {
    const { status, body } = await anybody().call<Document>('GET', '/openapi.json');
    expect(status).toBe(200);
    return body;
  }

  test('GET /openapi.json is a valid OpenAPI 3.1 document', async () => {
    const described = await document();
    expect(described.openapi).toMatch(/^3\.1\./);
    expect(await new Validator().validate(structuredClone(described))).toEqual({ valid: true });
  });

  test('the document lists every public route with its success and its errors', async () => {
    const { paths } = await document();
    const replies = Object.fromEntries(Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { responses }]) => [`${method.toUpperCase()} ${path}`, Object.keys(responses).join(' ')])));
    expect(replies).toMatchObject({
      'POST /v1/runs': expect.stringMatching(/^202 .*(default|4\d\d)/),
      'GET /v1/runs': expect.stringMatching(/^200 .*(default|4\d\d)/),
      'GET /v1/runs/{runId}': expect.stringMatching(/^200 .*(default|4\d\d)/),
      'POST /v1/runs/{runId}/cancel': expect.stringMatching(/^200 .*(default|4\d\d)/),
      'GET /v1/tools': expect.stringMatching(/^200 .*(default|4\d\d)/),
      'POST /v1/tools': expect.stringMatching(/^201 .*(default|4\d\d)/),
      'GET /v1/models': expect.stringMatching(/^200 .*(default|4\d\d)/),
      'GET /v1/usage': expect.stringMatching(/^200 .*(default|4\d\d)/),
    });
  });

  test('every operation has an id of its own and declares the parameters of its path', async () => {
    const { paths } = await document();
    const operations = Object.entries(paths).flatMap(([path, methods]) => Object.values(methods).map((operation) => ({ path, operation })));
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(operations.length);
    for (const { path, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name);
      expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
    }
  });

  test('GET /docs is a page to read that needs no key and loads nothing from another host', async () => {
    const { status, headers, text } = await anybody().call('GET', '/docs');
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    expect(text).toContain('Nightshift');
    const links = [...text.matchAll(/<(?:script|link)\b[^>]*?(?:src|href)\s*=\s*["']([^"']+)["']/g)].map((match) => new URL(match[1] ?? '', `${anybody().base}/docs`));
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) {
      expect(link.origin).toBe(anybody().base);
      expect((await anybody().call('GET', link.pathname)).status).toBe(200);
    }
  });

  test('GET /health and GET /ready say that it is well', async () => {
    const health = await anybody().call('GET', '/health');
    expect([health.status, health.body]).toEqual([200, { status: 'healthy' }]);
    const ready = await anybody().call('GET', '/ready');
    expect([ready.status, ready.body]).toEqual([200, { status: 'ready' }]);
  });

  test('GET /metrics shows queue age, backlog, leases, retries, dead letters and durations', async () => {
    const services = [...pidsOf(on.product.dataDir)].filter(([name]) => /-\d+$/.test(name)).map(([, pid]) => environmentOf(pid)['METRICS_PORT']);
    const ports = shape === 'cluster' ? services : [on.product.port];
    expect(ports.length).toBeGreaterThanOrEqual(shape === 'cluster' ? 6 : 1);
    const texts = await Promise.all(ports.map(async (port) => (await call(`http://127.0.0.1:${port}`, '', 'GET', '/metrics')).text));
    const all = texts.join('\n');
    for (const name of ['queue_age', 'backlog', 'lease_lost', 'retries', 'dead_letters', 'run_duration', 'turn_duration']) {
      expect(all).toMatch(new RegExp(`^# TYPE nightshift_${name}\\w* (counter|gauge|histogram)$`, 'm'));
    }
  });

  test('GET /v1/models lists the engines in the form that OpenAI clients read', async () => {
    const { status, body } = await on.api.call<{ object: string; data: { id: string; object: string; created: number; owned_by: string; input_modalities: string[] }[] }>('GET', '/v1/models');
    expect([status, body.object]).toEqual([200, 'list']);
    expect(body.data.map((model) => model.id)).toEqual(expect.arrayContaining(['tim', 'tim-edge', 'tim-gpt', 'tim-gpt-heavy', 'timini']));
    for (const model of body.data) expect(model).toMatchObject({ object: 'model', created: expect.any(Number), owned_by: expect.any(String), pricing: expect.any(Object), limits: expect.any(Object), status: 'live' });
    expect(body.data.filter((model) => model.input_modalities.includes('image')).map((model) => model.id)).toEqual(['tim-claude', 'tim-claude-heavy']);
  });
});

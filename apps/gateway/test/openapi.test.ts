import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { describeApi } from '@nightshift/gateway';
import { Validator } from '@seriousme/openapi-schema-validator';

const file = new URL('../../../libs/contracts/openapi.json', import.meta.url);
const howTo = 'libs/contracts/openapi.json is not what the gateway describes: run `npm run build && npx node tools/openapi.ts`, read the difference, and commit it';

type Operation = { responses: Record<string, { content?: object }>; security?: unknown[] };

describe('the document of the public API', () => {
  test('that is checked in is the one that the gateway serves', async () => {
    const kept = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const now = `${JSON.stringify(await describeApi(), null, 2)}\n`;
    if (kept !== now) throw new Error(howTo, { cause: firstDifference(kept, now) });
    expect(kept).toBe(now);
  });

  test('is valid OpenAPI 3.1 and the same each time', async () => {
    const document = await describeApi();
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toEqual({ valid: true });
    expect(JSON.stringify(await describeApi())).toBe(JSON.stringify(document));
  });

  test('names every public route, each behind a key and with its errors, and none of the operator’s or the services’', async () => {
    const { paths } = await describeApi();
    const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods as Record<string, Operation>).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })));
    expect(operations.map(({ name }) => name.replace(/\{\w+\}/, '{id}')).toSorted()).toEqual([
      'DELETE /v1/tools/{id}', 'DELETE /v1/webhooks/subscriptions/{id}', 'GET /v1/models', 'GET /v1/models/{id}', 'GET /v1/requests',
      'GET /v1/requests/{id}/status', 'GET /v1/runs', 'GET /v1/runs/{id}', 'GET /v1/runs/{id}/stream', 'GET /v1/runs/{id}/wait', 'GET /v1/tools',
      'GET /v1/tools/{id}', 'GET /v1/usage', 'GET /v1/webhooks/dead-letters', 'GET /v1/webhooks/deliveries', 'GET /v1/webhooks/deliveries/{id}',
      'GET /v1/webhooks/endpoints', 'GET /v1/webhooks/subscriptions', 'GET /v1/webhooks/subscriptions/{id}', 'PATCH /v1/tools/{id}',
      'PATCH /v1/webhooks/subscriptions/{id}', 'POST /v1/chat/completions', 'POST /v1/chat/completions/async', 'POST /v1/completions',
      'POST /v1/requests/{id}/cancel', 'POST /v1/runs', 'POST /v1/runs/stream', 'POST /v1/runs/{id}/cancel', 'POST /v1/tools', 'POST /v1/tools/{id}/test',
      'POST /v1/webhooks/canary', 'POST /v1/webhooks/deliveries/{id}/redeliver', 'POST /v1/webhooks/redeliver', 'POST /v1/webhooks/subscriptions',
      'POST /v1/webhooks/subscriptions/{id}/rotate-secret', 'POST /v1/webhooks/subscriptions/{id}/test',
    ]);
    for (const { operation } of operations) {
      expect(operation.security).toEqual([{ bearer: [] }, { key: [] }]);
      expect(Object.keys(operation.responses).length).toBeGreaterThan(1);
    }
  });

  test('speaks the dialect of its version, not that of 3.0', async () => {
    const document = JSON.stringify(await describeApi());
    expect(document).not.toMatch(/"nullable":|"exclusiveM\w+":(true|false)/);
    expect(document).toMatch(/"exclusiveMinimum":0/);
  });

  test.each([
    ['/v1/runs/stream', 'post', { 200: ['text/event-stream'] }],
    ['/v1/runs/{runId}/stream', 'get', { 200: ['text/event-stream'] }],
    ['/v1/chat/completions', 'post', { 200: ['application/json', 'text/event-stream'], 202: ['application/json'] }],
    ['/v1/completions', 'post', { 200: ['application/json', 'text/event-stream'] }],
  ])('says in which forms %s answers', async (path, method, forms) => {
    const { responses } = ((await describeApi()).paths[path] as Record<string, Operation>)[method] as Operation;
    const found = Object.entries(responses).filter(([status]) => status !== 'default').map(([status, { content }]) => [status, Object.keys(content ?? {})]);
    expect(Object.fromEntries(found)).toEqual(forms);
  });
});

function firstDifference(kept: string, now: string): string {
  const [before, after] = [kept.split('\n'), now.split('\n')];
  const line = after.findIndex((text, index) => text !== before[index]);
  return `line ${line + 1}: "${before[line] ?? ''}" is now "${after[line] ?? ''}"`;
}

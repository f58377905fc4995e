import { describe, expect, test } from '@jest/globals';
import { CreateRun, InternalCreateRun, type SealedTool } from '@nightshift/contracts';
import { generateSealKeyPair, seal, unseal } from '@nightshift/std';
import fc from 'fast-check';
import { admit, encodingOf, type Envelope, hasImages, idempotencyOf } from './admission.ts';
import type { Caller } from './api-key.ts';

const pair = generateSealKeyPair();
const caller: Caller = { keyId: 'key_1', orgId: 'org_1', pool: 'acme', egressAllow: ['10.0.0.0/8'], scopes: ['runs:write'], answerEncoding: 'string', runLimits: {}, rateLimits: { org: {}, key: {} } };
const envelope: Envelope = { runId: 'run_1', traceparent: '00-trace', answerEncoding: undefined, idempotency: undefined };
const lookup = { type: 'function', name: 'lookup', url: 'https://example.com/x' };
const body = (input: object = {}, more: object = {}): CreateRun => CreateRun.parse({ engine: 'tim', input: { instructions: 'do it', ...input }, ...more });
const admitted = (given: CreateRun, more: Partial<Envelope> = {}) => admit(given, caller, { ...envelope, ...more }, pair.publicKey);
const toolOf = (tool: object): SealedTool => admitted(body({ tools: [tool] })).request.tools[0]!;

describe('a request that is admitted', () => {
  test('is what runs takes, with the caller’s organisation, pool and ranges', () => {
    const run = admitted(body());
    expect(InternalCreateRun.parse(run)).toEqual(run);
    expect(run).toEqual({
      runId: 'run_1', orgId: 'org_1', apiKeyId: 'key_1', pool: 'acme', engine: 'tim', timeoutMs: 3_600_000, responseContent: 'full', answerEncoding: 'string', traceparent: '00-trace',
      request: { instructions: 'do it', tools: [], egressAllow: ['10.0.0.0/8'] },
    });
  });

  test('carries what it asks for', () => {
    const run = admitted(body({ metadata: { a: 1 }, answerFormat: { type: 'object' } }, { output: { callbackUrl: 'https://example.com/hook', responseContent: 'answer_only' }, options: { timeout: 5, max_step_tokens: 300 } }));
    expect(run).toMatchObject({ timeoutMs: 5000, callbackUrl: 'https://example.com/hook', responseContent: 'answer_only', metadata: { a: 1 }, request: { maxStepTokens: 300, answerFormat: { type: 'object' } } });
  });

  test('is bound by the limits of its key', () => {
    const request = admit(body(), { ...caller, runLimits: { turns: 3 } }, envelope, pair.publicKey).request;
    expect(request).toMatchObject({ limits: { turns: 3 } });
  });

  test('keeps whether a tool wants its arguments in an envelope', () => {
    expect([toolOf({ ...lookup, envelope: true }), toolOf({ type: 'function', function: { ...lookup, envelope: true } })]).toMatchObject([{ envelope: true }, { envelope: true }]);
    expect(toolOf(lookup)).not.toHaveProperty('envelope');
  });

  test('has its content and its images in one list, and tells whether an image is among them', () => {
    const text = { type: 'text', text: 'look' };
    const image = { type: 'image', source: { kind: 'base64', data: 'aGk=', mime: 'image/png' } };
    expect(admitted(body({ content: [text, image], images: ['https://example.com/a.png'] })).request.content).toEqual([text, { type: 'image', url: 'data:image/png;base64,aGk=' }, { type: 'image', url: 'https://example.com/a.png' }]);
    expect(admitted(body({ content: [], images: null })).request).not.toHaveProperty('content');
    expect([body(), body({ content: [text] }), body({ content: [image] }), body({ images: ['https://example.com/a.png'] })].map(hasImages)).toEqual([false, false, true, true]);
  });

  test('asks for its own answer encoding before that of its key', () => {
    expect(admitted(body(), { answerEncoding: 'object' }).answerEncoding).toBe('object');
  });

  test('holds no text that a database refuses', () => {
    const bad = 'nul \u0000 lone \ud800';
    const run = admitted(body({ instructions: bad, metadata: { [bad]: [bad] }, answerFormat: { description: bad }, tools: [{ ...lookup, description: bad, parameters: { type: 'object', title: bad } }] }));
    expect(JSON.stringify(run)).not.toMatch(/\\u0000|\\ud800/);
  });

  test('holds no callback address that a database refuses', () => {
    const run = admitted(body({}, { output: { callbackUrl: 'https://example.com/a\u0000b' } }));
    expect(JSON.stringify(run)).not.toMatch(/\\u0000/);
  });
});

describe('the credentials of a tool', () => {
  const secrets = { headers: { authorization: 'Bearer canary-header' }, defaults: { key: 'canary-default', nested: { deep: 'canary-deep' } } };

  test('are sealed for the executor alone, and only the names of the defaults can be read', () => {
    const tool = toolOf({ ...lookup, ...secrets });
    expect(tool).toMatchObject({ type: 'function', name: 'lookup', method: 'POST', retry: 'safe', timeoutMs: 30_000, hidden: ['key', 'nested'] });
    expect(JSON.stringify(tool)).not.toContain('canary');
    expect(JSON.parse(unseal((tool as { sealed: string }).sealed, pair.privateKey, 'org_1'))).toEqual(secrets);
  });

  test('cannot be opened for another organisation', () => {
    const { sealed } = toolOf({ ...lookup, ...secrets }) as { sealed: string };
    expect(() => unseal(sealed, pair.privateKey, 'org_2')).toThrow('cannot be opened');
  });

  test('of an MCP server are sealed too, in each of its spellings', () => {
    const tool = toolOf({ type: 'mcp', server: 'https://mcp.example.com', name: 'read', auth: { type: 'bearer', token: 'canary-token' }, headers: { 'x-key': 'canary-header' } });
    expect(tool).toMatchObject({ type: 'mcp', url: 'https://mcp.example.com', allowedTools: ['read'] });
    expect(JSON.stringify(tool)).not.toContain('canary');
    expect(JSON.parse(unseal((tool as { sealed: string }).sealed, pair.privateKey, 'org_1'))).toEqual({ auth: { type: 'bearer', token: 'canary-token' }, headers: { 'x-key': 'canary-header' } });
  });

  test.each<[object, string[] | null]>([
    [{ url: 'https://mcp.example.com' }, null],
    [{ server: 'https://mcp.example.com', allow: ['Read'] }, ['Read']],
    [{ url: 'https://mcp.example.com', allowedTools: ['*'] }, ['*']],
    [{ url: 'https://mcp.example.com', allowedTools: [], name: 'read' }, []],
  ])('of an MCP server %j are absent where there are none, and its allow-list is kept', (given, allowedTools) => {
    expect(toolOf({ type: 'mcp', ...given })).toEqual({ type: 'mcp', url: 'https://mcp.example.com', allowedTools });
  });

  test('that look sealed already are sealed again, so that nobody can plant a box', () => {
    const planted = seal('{"headers":{}}', pair.publicKey, 'org_1');
    const tool = toolOf({ ...lookup, sealed: planted, headers: { 'x-key': planted } }) as { sealed: string };
    expect(tool.sealed).not.toBe(planted);
    expect(JSON.parse(unseal(tool.sealed, pair.privateKey, 'org_1'))).toEqual({ headers: { 'x-key': planted } });
    expect(toolOf({ ...lookup, sealed: planted })).not.toHaveProperty('sealed');
  });

  test('never stand in what is stored or sent, whatever they are', () => {
    const secret = fc.string({ minLength: 12, unit: 'grapheme-ascii' });
    fc.assert(
      fc.property(secret, secret, fc.boolean(), (header, value, nested) => {
        const fields = { name: 'lookup', url: 'https://example.com/x', headers: { 'x-key': `canary${header}` }, defaults: { key: `canary${value}` } };
        const run = admitted(body({ tools: [nested ? { type: 'function', function: fields } : { type: 'function', ...fields }] }));
        expect(JSON.stringify(run)).not.toContain('canary');
      }),
      { numRuns: 50 },
    );
  });

  test('are absent where there are none', () => {
    expect(toolOf(lookup)).not.toHaveProperty('sealed');
    expect(toolOf({ type: 'platform', id: 'web_search', options: { depth: 2 } })).toEqual({ type: 'platform', id: 'web_search', options: { depth: 2 } });
  });
});

describe('an idempotency key', () => {
  test('stands for the bytes of the body: one more blank is another body', () => {
    const of = (text: string) => idempotencyOf('k', '/v1/runs', Buffer.from(text))?.bodyHash;
    expect(of('{"a":1}')).toBe(of('{"a":1}'));
    expect(of('{"a":1}')).not.toBe(of('{"a": 1}'));
    expect(idempotencyOf('k', '/v1/runs', undefined)?.bodyHash).toHaveLength(64);
    expect(idempotencyOf(undefined, '/v1/runs', Buffer.from('x'))).toBeUndefined();
  });

  test('has 1 to 255 characters', () => {
    expect(idempotencyOf('k'.repeat(255), '/v1/runs', undefined)).toMatchObject({ key: 'k'.repeat(255), route: '/v1/runs' });
    for (const key of ['', 'k'.repeat(256), ['a', 'b']]) expect(() => idempotencyOf(key, '/v1/runs', undefined)).toThrow('Idempotency-Key');
  });
});

test('an answer encoding is object or string, and nothing else', () => {
  expect([encodingOf('object'), encodingOf('string'), encodingOf(undefined)]).toEqual(['object', 'string', undefined]);
  for (const header of ['', 'xml', ['object']]) expect(() => encodingOf(header)).toThrow('X-Answer-Encoding');
});

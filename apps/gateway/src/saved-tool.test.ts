import { describe, expect, test } from '@jest/globals';
import { InternalSaveTool, InternalUpdateTool, SaveTool, UpdateTool } from '@nightshift/contracts';
import { generateSealKeyPair, unseal } from '@nightshift/std';
import { toSave, toUpdate } from './saved-tool.ts';

const pair = generateSealKeyPair();
const save = (tool: object) => toSave(SaveTool.parse(tool), 'tool_1', 'org_1', { route: '/v1/tools', key: 'k', bodyHash: 'h' }, pair.publicKey);
const update = (body: object) => toUpdate(UpdateTool.parse(body), 'org_1', pair.publicKey);
const opened = (sealed: string | undefined): unknown => JSON.parse(unseal(sealed ?? '', pair.privateKey, 'org_1'));
const lookup = { type: 'function', name: 'lookup', url: 'https://example.com/x' };

describe('a tool to save', () => {
  test('is what tool-executor takes, with its credentials sealed and named', () => {
    const made = save({ ...lookup, description: 'Looks up.', timeout: 5, headers: { 'x-key': 'canary-1' }, defaults: { unit: 'canary-2' } });
    expect(InternalSaveTool.parse(made)).toEqual(made);
    expect(made).toMatchObject({ toolId: 'tool_1', orgId: 'org_1', name: 'lookup', description: 'Looks up.', credentials: { headers: ['x-key'], defaults: ['unit'], auth: null }, idempotency: { key: 'k', bodyHash: 'h' }, tool: { timeoutMs: 5000, hidden: ['unit'] } });
    expect(JSON.stringify(made)).not.toContain('canary');
    expect(opened(made.tool.sealed)).toEqual({ headers: { 'x-key': 'canary-1' }, defaults: { unit: 'canary-2' } });
  });

  test('of an MCP server keeps all its tools unless it names some: its name is its own', () => {
    const made = save({ type: 'mcp', name: 'files', url: 'https://mcp.example.com', auth: { type: 'bearer', token: 'canary-3' } });
    expect(made).toMatchObject({ name: 'files', tool: { type: 'mcp', allowedTools: null }, credentials: { headers: [], defaults: [], auth: 'bearer' } });
    expect(JSON.stringify(made)).not.toContain('canary');
    expect(save({ type: 'mcp', name: 'files', url: 'https://mcp.example.com', allowedTools: ['read'] }).tool).toMatchObject({ allowedTools: ['read'] });
  });

  test.each(['web_search', 'exa_crawl', 'calculator'])('may not be called like the built-in %s', (name) => {
    expect(() => save({ ...lookup, name })).toThrow('built-in');
    expect(() => update({ name })).toThrow('built-in');
  });

  test('has no credentials in its address, which is shown', () => {
    expect(() => save({ ...lookup, url: 'https://user:secret@example.com/' })).toThrow('headers');
    expect(() => save({ type: 'mcp', name: 'files', server: 'https://user@mcp.example.com' })).toThrow('headers');
    expect(() => update({ url: 'https://:secret@example.com/' })).toThrow('headers');
  });

  test('holds no text that a database refuses', () => {
    const bad = 'nul \u0000 lone \ud800';
    expect(JSON.stringify(save({ ...lookup, description: bad, parameters: { title: bad } }))).not.toMatch(/\\u0000|\\ud800/);
    expect(JSON.stringify(update({ description: bad, parameters: { [bad]: bad } }))).not.toMatch(/\\u0000|\\ud800/);
  });
});

describe('a change', () => {
  test('names the credentials that it gives and removes, and is silent about the others', () => {
    const made = update({ timeout: 2, headers: { 'x-key': 'canary-4' }, defaults: null });
    expect(InternalUpdateTool.parse(made)).toEqual(made);
    expect(made).toMatchObject({ changes: { timeoutMs: 2000 }, credentials: { headers: ['x-key'], defaults: null } });
    expect(made.credentials).not.toHaveProperty('auth');
    expect(opened(made.sealed)).toEqual({ headers: { 'x-key': 'canary-4' } });
    expect(JSON.stringify(made)).not.toContain('canary');
  });

  test('without credentials seals nothing', () => {
    expect(update({ description: null })).toEqual({ orgId: 'org_1', changes: { description: null }, credentials: {} });
  });
});

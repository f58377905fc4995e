import { describe, expect, test } from '@jest/globals';
import { assertClientTools } from './chat.ts';

describe('the tools of a plain call', () => {
  test.each([[undefined], [null], [[]], [[{ type: 'function', function: { name: 'lookup' } }]]])('may be functions: %j', (tools) => {
    expect(() => assertClientTools(tools)).not.toThrow();
  });

  test.each(['platform', 'mcp', 'web_search', 'custom'])('are refused when they are of the type %s', (type) => {
    const tools = [{ type: 'function', function: { name: 'lookup' } }, { type }];
    expect(() => assertClientTools(tools)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { fields: { 'tools.1.type': expect.stringContaining('"function"') } } }));
  });
});

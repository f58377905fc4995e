import { expect, test } from '@jest/globals';
import type { Engine } from '@nightshift/contracts';
import { limitedTo } from './limits.ts';

const engine: Engine = { id: 'tim', aliases: [], upstreams: [], prices: { input: 1, output: 1 }, limits: { contextTokens: 1000, toolCalls: 5 } };

test('a key can only lower what an engine allows, also where the engine says nothing', () => {
  expect(limitedTo(engine)).toBe(engine);
  expect(limitedTo(engine, { toolCalls: 3, turns: 7 }).limits).toEqual({ contextTokens: 1000, toolCalls: 3, turns: 7 });
  expect(limitedTo(engine, { toolCalls: 9, turns: 500, parallelToolCalls: 900, subtaskDepth: 90, runInputTokens: 9 }).limits).toEqual({ contextTokens: 1000, toolCalls: 5, turns: 100, parallelToolCalls: 64, subtaskDepth: 8, runInputTokens: 9 });
});

import { expect, test } from '@jest/globals';
import { reconnectDelayMs } from './mcp-reconnect.ts';

test.each([[0, 1000], [-1, 1000], [999, 1000], [5000, 5000], [2 ** 31, 30_000], [Infinity, 30_000]])('a server that asks for %d ms is left alone for %d', (asked, delay) => {
  expect(reconnectDelayMs(asked)).toBe(delay);
});

import { inputRequired, type McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** What calls did to the outside world. */
export interface McpEffects {
  /** The texts that `write` was called with. */
  written: string[];
  /** Calls of `wait` that are under way, and that were canceled. */
  waiting: number;
  canceled: number;
}

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** The tools of a test server, in an order that is not that of their names. */
export function registerTools(server: McpServer, effects: McpEffects): void {
  server.registerTool('write', { description: 'Writes a text down.', inputSchema: z.object({ text: z.string() }) }, ({ text: words }) => {
    effects.written.push(words);
    return text(`wrote ${words}`);
  });
  server.registerTool('Echo', { description: 'Says it again.', inputSchema: z.object({ text: z.string() }), annotations: { readOnlyHint: true } }, ({ text: words }) => text(words));
  server.registerTool('add', { title: 'Adds two numbers', inputSchema: z.object({ a: z.number(), b: z.number() }), outputSchema: z.object({ sum: z.number() }), annotations: { idempotentHint: true } }, ({ a, b }) => ({
    ...text(`the sum is ${a + b}`),
    structuredContent: { sum: a + b },
  }));
  server.registerTool('fail', { inputSchema: z.object({}) }, () => ({ ...text('the tool says no'), isError: true }));
  server.registerTool('show.all', { inputSchema: z.object({}) }, () => ({
    content: [
      { type: 'text', text: 'look' },
      { type: 'image', data: pixel, mimeType: 'image/png' },
      { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' },
      { type: 'resource', resource: { uri: 'file:///notes.txt', mimeType: 'text/plain', text: 'the notes' } },
      { type: 'resource_link', uri: 'file:///more.txt', name: 'more' },
    ],
  }));
  server.registerTool('big', { inputSchema: z.object({ bytes: z.number() }) }, ({ bytes }) => text('x'.repeat(bytes)));
  server.registerTool('ask', { inputSchema: z.object({}) }, () =>
    inputRequired({ inputRequests: { name: inputRequired.elicit({ message: 'Who are you?', requestedSchema: z.object({ name: z.string() }) }) } }),
  );
  server.registerTool('wait', { inputSchema: z.object({}) }, async (_args, { mcpReq }) => {
    effects.waiting += 1;
    await new Promise<void>((resolve) => mcpReq.signal.addEventListener('abort', () => resolve(), { once: true }));
    effects.canceled += 1;
    return text('canceled');
  });
}

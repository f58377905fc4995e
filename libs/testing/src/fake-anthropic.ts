import type { FakeCall, FakeMessage, FakeRequest, FakeTurn } from './fake-model-script.ts';

type Block = { type: string; text?: string; id?: string; name?: string; input?: unknown; tool_use_id?: string; content?: unknown };
type Message = { role: string; content: string | Block[] };

/** The body of a request to the Anthropic Messages API, as far as the fake reads it. */
export type FakeMessagesRequest = {
  model?: string;
  max_tokens?: number;
  stream?: boolean;
  system?: string | Block[];
  messages?: Message[];
  tools?: { name: string; input_schema?: Record<string, unknown> }[];
};

/** The same request as the fake's scripts read it: in the words of chat completions. */
export function requestOfMessages({ model, stream, system = [], messages = [], tools = [] }: FakeMessagesRequest): FakeRequest {
  const prompt = typeof system === 'string' ? system : system.map(({ text }) => text).join('');
  return {
    ...(model !== undefined && { model }),
    ...(stream !== undefined && { stream }),
    messages: [{ role: 'system', content: prompt }, ...messages.flatMap(messagesOf)],
    tools: tools.map(({ name, input_schema: parameters }) => ({ function: { name, ...(parameters && { parameters }) } })),
  };
}

function messagesOf({ role, content }: Message): FakeMessage[] {
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const results = blocks.filter(({ type }) => type === 'tool_result').map((block): FakeMessage => ({ role: 'tool', content: block.content }));
  const calls = blocks.filter(({ type }) => type === 'tool_use').map(({ id, name, input }) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(input) } }));
  const rest = blocks.filter(({ type }) => type !== 'tool_result' && type !== 'tool_use');
  const said = rest.length > 0 || calls.length > 0 ? [{ role, content: rest, ...(calls.length > 0 && { tool_calls: calls }) }] : [];
  return [...results, ...said];
}

/** What the Messages API refuses a request for, or null; only what clients get wrong. */
export function problemOf({ max_tokens: maxTokens, messages = [] }: FakeMessagesRequest): string | null {
  if (maxTokens === undefined) return 'max_tokens: Field required';
  let called: unknown[] = [];
  for (const { role, content } of messages) {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content } as Block] : content;
    if (blocks.some(({ type, text }) => type === 'text' && (text ?? '') === '')) return 'messages: text content blocks must be non-empty';
    const answered = blocks.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : []));
    if (role === 'user' && called.join() !== answered.join()) return `messages: tool_use ids were found without tool_result blocks: ${called.join()}`;
    called = blocks.flatMap((block) => (block.type === 'tool_use' ? [block.id] : []));
  }
  return null;
}

/** A turn as the events of a streamed message. */
export function messageEvents(turn: FakeTurn, { inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }): string {
  const blocks = [...(turn.text === '' ? [] : [{ start: { type: 'text', text: '' }, delta: { type: 'text_delta', text: turn.text } }]), ...turn.calls.map(callBlock)];
  return [
    event({ type: 'message_start', message: { id: 'msg_fake', type: 'message', role: 'assistant', model: 'fake', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: inputTokens, output_tokens: 1 } } }),
    ...blocks.flatMap(({ start, delta }, index) => [event({ type: 'content_block_start', index, content_block: start }), event({ type: 'content_block_delta', index, delta }), event({ type: 'content_block_stop', index })]),
    event({ type: 'message_delta', delta: { stop_reason: turn.calls.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { output_tokens: outputTokens } }),
    event({ type: 'message_stop' }),
  ].join('');
}

function callBlock({ id, name, arguments: given }: FakeCall): { start: object; delta: object } {
  return { start: { type: 'tool_use', id, name, input: {} }, delta: { type: 'input_json_delta', partial_json: given } };
}

function event(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

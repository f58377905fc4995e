import { type OfflineReply, type OfflineRequest, offlineReply } from './offline-engine.ts';

const PIECE_CHARS = 12;
const PIECES_MAX = 160;

/** The whole reply to a request that asked for no stream. */
export function offlineCompletion(request: OfflineRequest): string {
  const reply = offlineReply(request);
  const calls = reply.calls.map(({ id, name, arguments: given }) => ({ id, type: 'function', function: { name, arguments: given } }));
  const message = { role: 'assistant', content: calls.length > 0 ? null : reply.text, ...(calls.length > 0 && { tool_calls: calls }) };
  return JSON.stringify({
    id: reply.id,
    object: 'chat.completion',
    created: 0,
    model: request.model,
    choices: [{ index: 0, message, finish_reason: reply.finishReason }],
    usage: usageOf(reply),
  });
}

/** The server-sent events of a streamed reply, one text each. */
export function offlineEvents(request: OfflineRequest): string[] {
  const reply = offlineReply(request);
  const chunk = (fields: object) => event({ id: reply.id, object: 'chat.completion.chunk', created: 0, model: request.model, ...fields });
  const delta = (fields: object, finishReason: string | null = null) => chunk({ choices: [{ index: 0, delta: fields, finish_reason: finishReason }] });
  return [
    delta({ role: 'assistant', content: '' }),
    ...pieces(reply.text).map((content) => delta({ content })),
    ...reply.calls.flatMap((call, index) => [
      delta({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] }),
      ...pieces(call.arguments).map((given) => delta({ tool_calls: [{ index, function: { arguments: given } }] })),
    ]),
    delta({}, reply.finishReason),
    chunk({ choices: [], usage: usageOf(reply) }),
    'data: [DONE]\n\n',
  ];
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function usageOf({ inputTokens, outputTokens }: OfflineReply): object {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}

/** Cuts a text into a few pieces, never within a surrogate pair. */
function pieces(text: string): string[] {
  const size = Math.max(PIECE_CHARS, Math.ceil(text.length / PIECES_MAX));
  const cut: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = at + size;
    const last = text.charCodeAt(end - 1);
    const next = last >= 0xd800 && last <= 0xdbff ? end + 1 : end;
    cut.push(text.slice(at, next));
    at = next;
  }
  return cut;
}

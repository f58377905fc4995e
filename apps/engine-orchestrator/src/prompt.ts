import type { ToolResult } from '@nightshift/contracts';
import type { ModelMessage, ModelRequest } from './model.ts';
import { offeredTools } from './offered-tools.ts';
import type { JournalEntry, Session, TurnEntry } from './session.ts';

const SYSTEM_PROMPT = [
  'You are an agent that works in the background: nobody can answer questions while you work.',
  'Do the task on your own. Call the tools you are given whenever they help; several calls in one turn run side by side.',
  'A tool that fails tells you why: try another way, or say in your answer what could not be done.',
  'When the task is done, reply with the final answer and no tool call.',
].join(' ');

/** What the model is asked in the session's next turn: a pure function of the session and its journal. */
export function promptOf(session: Session, journal: readonly JournalEntry[], model: string): ModelRequest {
  const { request } = session;
  return {
    model,
    messages: [{ role: 'system', content: SYSTEM_PROMPT }, { role: 'user', content: request.instructions }, ...messagesOf(journal)],
    tools: [...offeredTools(request.tools).values()].map(({ offer }) => offer),
    ...(request.maxStepTokens !== undefined && { maxTokens: request.maxStepTokens }),
    ...(request.answerFormat && { responseFormat: { type: 'json_schema', json_schema: { name: 'answer', schema: request.answerFormat } } }),
  };
}

function messagesOf(journal: readonly JournalEntry[]): ModelMessage[] {
  const results = resultsOf(journal);
  return journal.flatMap((entry) => (entry.kind === 'turn' ? turnMessages(entry, results) : []));
}

function turnMessages(turn: TurnEntry, results: ReadonlyMap<string, ToolResult>): ModelMessage[] {
  const calls = turn.calls.map((call) => ({ id: call.modelCallId, type: 'function' as const, function: { name: call.name, arguments: call.arguments } }));
  const assistant: ModelMessage = { role: 'assistant', content: turn.content === '' ? null : turn.content, tool_calls: calls };
  return [assistant, ...turn.calls.map((call): ModelMessage => ({ role: 'tool', tool_call_id: call.modelCallId, content: textOf(results.get(call.callId)) }))];
}

function textOf(result: ToolResult | undefined): string {
  if (!result) return 'Error: the result is missing.';
  const text = typeof result.content === 'string' ? result.content : JSON.stringify(result.content);
  return result.isError ? `Error: ${text}` : text;
}

/** The tool results of a journal by call. */
export function resultsOf(journal: readonly JournalEntry[]): Map<string, ToolResult> {
  return new Map(journal.flatMap((entry) => (entry.kind === 'result' ? [[entry.callId, entry.result] as const] : [])));
}

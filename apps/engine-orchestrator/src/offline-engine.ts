import { createHash } from 'node:crypto';
import { type ModelFinishReason, type ModelMessage, type ModelResponseFormat, type ModelTool, type ModelToolCall, estimateTokens } from './model.ts';
import { isPlanning, planStep } from './offline-plan.ts';
import { sampleSchema } from './schema-sample.ts';

/** The part of a chat-completions request that the offline engine reads. */
export interface OfflineRequest {
  readonly model: string;
  readonly messages: readonly ModelMessage[];
  readonly tools?: readonly { readonly function: ModelTool }[];
  readonly tool_choice?: unknown;
  readonly response_format?: ModelResponseFormat;
}

export interface OfflineReply {
  readonly id: string;
  readonly text: string;
  readonly calls: readonly ModelToolCall[];
  readonly finishReason: ModelFinishReason;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What every answer of the offline engine begins with. */
export const OFFLINE_LABEL =
  '[offline engine] This is a placeholder: no model is configured. Set UPSTREAM_BASE_URL to an OpenAI-compatible server to get real answers.';

const QUOTED_CHARS_MAX = 400;
const RESULTS_MAX = 20;
/** Tools called unasked, so that a long list of them does not make a long run. */
const UNASKED_CALLS_MAX = 8;

/** The reply of the offline engine: the same for the same request. First it calls the tools, then it answers with what they said; a list it works off point by point. */
export function offlineReply(request: OfflineRequest): OfflineReply {
  const digest = createHash('sha256').update(JSON.stringify([request.model, request.messages, request.tools])).digest('hex').slice(0, 24);
  const calls = nextCalls(request).map((call, index) => ({ id: `call_${digest}_${index}`, name: call.name, arguments: JSON.stringify(call.arguments) }));
  const text = calls.length > 0 ? '' : answer(request);
  const outputChars = text.length + calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
  return {
    id: `chatcmpl-${digest}`,
    text,
    calls,
    finishReason: calls.length > 0 ? 'tool_calls' : 'stop',
    inputTokens: estimateTokens(JSON.stringify([request.messages, request.tools ?? []]).length),
    outputTokens: estimateTokens(outputChars),
  };
}

interface Call {
  readonly name: string;
  readonly arguments: unknown;
}

function nextCalls(request: OfflineRequest): Call[] {
  const { messages, tool_choice: choice } = request;
  const tools = toolsOf(request);
  if (choice === 'none' || tools.length === 0) return [];
  const instructions = instructionsOf(messages);
  const callsOf = (chosen: readonly ModelTool[], text: string) => chosen.map((tool) => ({ name: tool.name, arguments: argumentsFor(tool, text) }));
  const offered = tools.filter((tool) => !isPlanning(tool));
  const step = planStep(tools, messages);
  if (step?.kind === 'open') return [{ name: step.tool, arguments: step.arguments }];
  if (step?.kind === 'part') {
    const named = nextTools(groupsOf(offered, step.part), step.messages);
    if (named.length > 0) return callsOf(named, step.part);
    return [{ name: step.tool, arguments: { conclusion: toolResults(step.messages).join('\n') || 'No tool was named, so nothing was called.' } }];
  }
  const groups = groupsOf(offered, instructions);
  const next = nextTools(groups.length > 0 ? groups : offered.slice(0, UNASKED_CALLS_MAX).map((tool) => [tool]), messages);
  if (!step && next.length > 0) return callsOf(next, instructions);
  return choice === 'required' && callsMade(messages).size === 0 ? callsOf(offered.slice(0, 1), instructions) : [];
}

function toolsOf({ tools = [] }: OfflineRequest): ModelTool[] {
  return tools.map((tool) => tool.function);
}

function instructionsOf(messages: readonly ModelMessage[]): string {
  return messages
    .filter((message) => message.role === 'user')
    .map(({ content }) => (typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join(' ')))
    .join('\n');
}

/** Names of the tools that were called. */
function callsMade(messages: readonly ModelMessage[]): Set<string> {
  return new Set(messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : [])).map((call) => call.function.name));
}

/** The tools to call now, together: the first group that has not been called yet. */
function nextTools(groups: readonly (readonly ModelTool[])[], messages: readonly ModelMessage[]): ModelTool[] {
  const called = callsMade(messages);
  return groups.map((tools) => tools.filter((tool) => !called.has(tool.name))).find((tools) => tools.length > 0) ?? [];
}

/** Tools that a text names, those of one sentence together. */
function groupsOf(offered: readonly ModelTool[], text: string): ModelTool[][] {
  const planned = new Set<ModelTool>();
  return text
    .toLowerCase()
    .split(/[.;!?\n]+\s|\bthen\b/)
    .map((sentence) => {
      const named = offered.map((tool) => ({ tool, at: planned.has(tool) ? -1 : mention(sentence, tool.name) })).filter(({ at }) => at >= 0);
      for (const { tool } of named) planned.add(tool);
      return named.sort((a, b) => a.at - b.at).map(({ tool }) => tool);
    })
    .filter((tools) => tools.length > 0);
}

/** Where a sentence names a tool, with its underscores or with blanks; -1 when it does not. */
function mention(sentence: string, name: string): number {
  const isWord = (char: string | undefined) => char !== undefined && /[\w-]/.test(char);
  for (const spelling of [name.toLowerCase(), name.toLowerCase().replaceAll(/[_-]/g, ' ')]) {
    const at = sentence.indexOf(spelling);
    if (at >= 0 && !isWord(sentence[at - 1]) && !isWord(sentence[at + spelling.length])) return at;
  }
  return -1;
}

function argumentsFor(tool: ModelTool, instructions: string): unknown {
  const numbers = (instructions.match(/-?\d{1,15}(?:\.\d{1,6})?/g) ?? []).map(Number);
  const quoted = [...instructions.matchAll(/"([^"\n]{1,200})"|“([^”\n]{1,200})”/g)].map(([, plain, curly]) => plain ?? curly ?? '');
  let numbersUsed = 0;
  let quotedUsed = 0;
  const value = sampleSchema(tool.parameters, {
    onlyRequired: true,
    number: (property) => Number(stated(instructions, property, /^-?\d+(\.\d+)?/)) || numbers[numbersUsed++ % numbers.length] || 1,
    text: (property) => stated(instructions, property, /^[\p{L}\p{N}_.@/:-]+/u) ?? quoted[quotedUsed++] ?? (property === 'expression' ? sum(instructions) : undefined) ?? firstWords(instructions),
  });
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

/** What the instructions say of a property: the word after its name, as in `city: Oslo` or `city Oslo`. */
function stated(instructions: string, property: string, shape: RegExp): string | undefined {
  const at = property === '' ? -1 : mention(instructions.toLowerCase(), property);
  if (at < 0) return undefined;
  const rest = instructions.slice(at + property.length, at + property.length + 200).replace(/^\s*(?:[:=]|is\b|of\b)?\s*["“]?/, '');
  return shape.exec(rest)?.[0]?.replace(/[.:]+$/, '');
}

/** The longest piece of arithmetic in a text, for tools that calculate. */
function sum(text: string): string | undefined {
  const found = text.match(/[(\d][\d\s.+*/^%()-]*[\d)]/g) ?? [];
  return found.filter((piece) => /\d\s*[-+*/^%]/.test(piece)).sort((a, b) => b.length - a.length)[0];
}

function firstWords(text: string): string {
  return text.trim().split(/\s+/).slice(0, 12).join(' ').slice(0, 120).toWellFormed();
}

function answer(request: OfflineRequest): string {
  const step = planStep(toolsOf(request), request.messages);
  const found = step?.kind === 'done' ? ['Done:', ...step.conclusions.map((conclusion, index) => `${index + 1}. ${brief(conclusion)}`)] : toolResults(request.messages);
  const summary = [OFFLINE_LABEL, `Asked: ${brief(instructionsOf(request.messages))}`, ...found].join('\n');
  const format = request.response_format;
  if (format?.type === 'json_object') return JSON.stringify({ answer: summary });
  if (format?.type !== 'json_schema') return summary;
  const texts = [summary];
  return JSON.stringify(sampleSchema(format.json_schema.schema, { onlyRequired: false, number: () => 1, text: () => texts.shift() ?? '[offline engine]' }));
}

/** One line for each tool result, the last ones when there are many. */
function toolResults(messages: readonly ModelMessage[]): string[] {
  const names = new Map(
    messages.flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : [])).map((call) => [call.id, call.function.name]),
  );
  const results = messages.filter((message) => message.role === 'tool').slice(-RESULTS_MAX);
  return results.map((message) => `Tool ${names.get(message.tool_call_id) ?? 'result'}: ${brief(message.content)}`);
}

function brief(text: string): string {
  const line = text.trim();
  return line.length > QUOTED_CHARS_MAX ? `${line.slice(0, QUOTED_CHARS_MAX).toWellFormed()}…` : line;
}

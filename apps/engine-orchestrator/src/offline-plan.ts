import type { ModelMessage, ModelTool } from './model.ts';
import { CONCLUDE, OPEN } from './planner.ts';

/** What the offline engine does next of a task that comes as a list. */
export type PlanStep =
  | { readonly kind: 'open'; readonly tool: string; readonly arguments: { readonly subtasks: readonly { readonly title: string }[] } }
  /** Work on one part, and end it with `tool`; `messages` are those since the turn that opened it. */
  | { readonly kind: 'part'; readonly tool: string; readonly part: string; readonly messages: readonly ModelMessage[] }
  /** All parts are done, with these conclusions. */
  | { readonly kind: 'done'; readonly conclusions: readonly string[] };

const PARTS_MAX = 20;
const TITLE_CHARS_MAX = 200;

/** The next step of a task whose instructions are a list of at least two points; undefined for any other, or where no planning function is offered. */
export function planStep(tools: readonly ModelTool[], messages: readonly ModelMessage[]): PlanStep | undefined {
  const [open, conclude] = [OPEN, CONCLUDE].map((name) => tools.find((tool) => isNamed(tool, name))?.name);
  const parts = partsOf(messages.find(({ role }) => role === 'user')?.content);
  if (open === undefined || conclude === undefined || parts.length < 2) return undefined;
  const calls = messages.flatMap((message, at) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []).map((call) => ({ ...call.function, at })));
  const opened = calls.find(({ name }) => name === open);
  if (!opened) return { kind: 'open', tool: open, arguments: { subtasks: parts.map((part) => ({ title: part.slice(0, TITLE_CHARS_MAX).toWellFormed() })) } };
  const concluded = calls.filter(({ name }) => name === conclude);
  const part = parts[concluded.length];
  if (part === undefined) return { kind: 'done', conclusions: concluded.map((call) => (JSON.parse(call.arguments) as { conclusion: string }).conclusion) };
  // The turn's own results come right after it.
  const turn = (concluded.at(-1) ?? opened).at;
  const since = messages.findIndex(({ role }, at) => at > turn && role !== 'tool');
  return { kind: 'part', tool: conclude, part, messages: since < 0 ? [] : messages.slice(since) };
}

/** Whether a tool is one of the functions by which a model plans. */
export function isPlanning(tool: ModelTool): boolean {
  return isNamed(tool, OPEN) || isNamed(tool, CONCLUDE);
}

/** Underscores are added where a tool of the run has the name already. */
function isNamed(tool: ModelTool, name: string): boolean {
  return tool.name.replace(/_+$/, '') === name;
}

function partsOf(content: ModelMessage['content'] | undefined): string[] {
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('\n');
  return [...text.matchAll(/^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+(\S.*)$/gm)].map(([, part = '']) => part.trim()).slice(0, PARTS_MAX);
}

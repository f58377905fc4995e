import type { Engine, RunOutcome, SealedTool, StepUsage } from '@nightshift/contracts';
import { cleanJson, must } from '@nightshift/std';
import type { ModelReply } from './model.ts';
import { offeredTools } from './offered-tools.ts';
import { tasksOf } from './reasoning.ts';
import { addUsage, type JournalEntry, type ResultEntry, type Session, type TurnEntry } from './session.ts';
import { parseToolArguments } from './tool-arguments.ts';

/** A tool call to command. */
export interface Command {
  readonly callId: string;
  readonly tool: SealedTool;
  readonly arguments: Record<string, unknown>;
}

/** What follows from a model's reply: wait for tools, go on at once, or be done. */
export interface TurnEnd {
  readonly entry: TurnEntry;
  /** Results known without calling anything: broken arguments, unknown names. */
  readonly results: readonly ResultEntry[];
  readonly commands: readonly Command[];
  readonly usage: StepUsage;
  readonly outcome: RunOutcome | undefined;
}

const TURNS_MAX = 100;
const PARALLEL_CALLS_MAX = 64;

/** Decides what a reply means for the session. `callIds` are fresh ids, at least one for each call of the reply. */
export function next(session: Session, journal: readonly JournalEntry[], reply: ModelReply, engine: Engine, callIds: readonly string[]): TurnEnd {
  const calls = reply.toolCalls.slice(0, PARALLEL_CALLS_MAX).map((call, index) => {
    const callId = must(callIds[index], 'call id');
    const repeated = reply.toolCalls.findIndex((other) => other.id === call.id) !== index;
    return { callId, modelCallId: call.id === '' || repeated ? callId : call.id, name: call.name, arguments: call.arguments };
  });
  const toolCalls = Object.fromEntries([...Map.groupBy(calls, ({ name }) => name)].map(([name, list]) => [name, list.length]));
  const { inputTokens, outputTokens, cachedInputTokens } = reply.usage;
  const used: StepUsage = { inputTokens, outputTokens, cachedInputTokens, toolCalls };
  const entry: TurnEntry = {
    kind: 'turn',
    step: session.step,
    content: reply.content,
    ...(reply.reasoning !== undefined && reply.reasoning !== '' && { reasoning: reply.reasoning }),
    calls,
    usage: used,
    costMicroUsd: costMicroUsd(used, engine),
  };
  const usage = addUsage(session.usage, used);
  if (calls.length === 0) return { entry, results: [], commands: [], usage, outcome: outcomeOf(session, [...journal, entry], reply) };
  if (session.step + 1 >= (engine.limits.turns ?? TURNS_MAX)) return { entry, results: [], commands: [], usage, outcome: failure('turn_limit', `The run used all of its ${session.step + 1} turns without an answer.`) };
  const callsSoFar = Object.values(usage.toolCalls).reduce((sum, count) => sum + count, 0);
  if (callsSoFar > (engine.limits.toolCalls ?? Infinity)) return { entry, results: [], commands: [], usage, outcome: failure('tool_call_limit', `The run asked for more than the ${engine.limits.toolCalls} tool calls its engine allows.`) };
  return { entry, ...dispatch(session, entry), usage, outcome: undefined };
}

function dispatch(session: Session, entry: TurnEntry): { results: ResultEntry[]; commands: Command[] } {
  const offered = offeredTools(session.request.tools);
  const results: ResultEntry[] = [];
  const commands: Command[] = [];
  for (const call of entry.calls) {
    const tool = offered.get(call.name)?.tool;
    const args = parseToolArguments(call.arguments);
    const refuse = (errorCode: string, content: string): void => void results.push({ kind: 'result', step: entry.step, callId: call.callId, result: { isError: true, errorCode, content } });
    if (!tool) refuse('unknown_tool', `there is no tool "${call.name.slice(0, 64)}"; the tools are: ${[...offered.keys()].join(', ') || 'none'}`);
    else if (!args.ok) refuse('invalid_arguments', args.message);
    else commands.push({ callId: call.callId, tool, arguments: cleanJson(args.value) as Record<string, unknown> });
  }
  return { results, commands };
}

function outcomeOf(session: Session, journal: readonly JournalEntry[], reply: ModelReply): RunOutcome {
  if (reply.finishReason === 'content_filter') return failure('content_filtered', 'The model server refused to answer because of its content filter.');
  if (reply.finishReason === 'length') return failure('output_truncated', 'The model’s answer was cut off at its output limit; raise options.max_step_tokens or ask for less.');
  if (reply.content.trim() === '') return failure('empty_answer', 'The model ended the run without an answer.');
  return { status: 'succeeded', result: { answer: session.request.answerFormat ? parsed(reply.content) : reply.content, reasoning: tasksOf(journal) } };
}

function parsed(content: string): unknown {
  try {
    return cleanJson(JSON.parse(content));
  } catch (err) {
    if (err instanceof SyntaxError) return content;
    throw err;
  }
}

/** A failed outcome with a stable code. */
export function failure(code: string, message: string, details?: Record<string, unknown>): RunOutcome {
  return { status: 'failed', error: { code, message, ...(details && { details }) } };
}

/** The price of a turn in millionths of a dollar: prices are dollars per million tokens, so one token costs its price. */
export function costMicroUsd(usage: StepUsage, { prices }: Engine): number {
  const fresh = Math.max(0, usage.inputTokens - usage.cachedInputTokens);
  return Math.round(fresh * prices.input + usage.cachedInputTokens * (prices.cachedInput ?? prices.input) + usage.outputTokens * prices.output);
}

/** The calls of the last turn that have no result yet, as they were commanded. */
export function missingCommands(session: Session, journal: readonly JournalEntry[]): Command[] {
  const turn = journal.findLast((entry): entry is TurnEntry => entry.kind === 'turn');
  if (!turn) return [];
  const known = new Set(journal.flatMap((entry) => (entry.kind === 'result' ? [entry.callId] : [])));
  return dispatch(session, turn).commands.filter((command) => !known.has(command.callId));
}

/** One call of the journal as it was commanded, or undefined for a call that was never commanded. */
export function commandOf(session: Session, journal: readonly JournalEntry[], callId: string): Command | undefined {
  const turn = journal.find((entry): entry is TurnEntry => entry.kind === 'turn' && entry.calls.some((call) => call.callId === callId));
  return turn && dispatch(session, turn).commands.find((command) => command.callId === callId);
}

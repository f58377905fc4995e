import type { Engine, RunLimits, StepUsage } from '@nightshift/contracts';
import type { JournalCall, JournalEntry } from './session.ts';
import { resultsOf, SUBTASK_DEPTH_MAX } from './task-tree.ts';

/** A limit that a run has reached. */
export interface Reached {
  readonly code: string;
  readonly message: string;
}

const TURNS_MAX = 100;
const PARALLEL_CALLS_MAX = 64;
const ANSWER_CHARS_MAX = 1024 * 1024;
const RESULT_BYTES_MAX = 32 * 1024 * 1024;
/** The same call is refused after so many failures in a row, and ends the run after so many. */
const FAILURES_TOLD = 2;
const FAILURES_MAX = 5;

const DEFAULTS: RunLimits = { turns: TURNS_MAX, parallelToolCalls: PARALLEL_CALLS_MAX, answerChars: ANSWER_CHARS_MAX, resultBytes: RESULT_BYTES_MAX, subtaskDepth: SUBTASK_DEPTH_MAX };

/** An engine for a run that may do less than the engine allows. */
export function limitedTo(engine: Engine, bounds: RunLimits = {}): Engine {
  const lower = (Object.keys(bounds) as (keyof RunLimits)[]).map((name) => [name, Math.min(bounds[name] ?? Infinity, engine.limits[name] ?? DEFAULTS[name] ?? Infinity)] as const);
  return lower.length === 0 ? engine : { ...engine, limits: { ...engine.limits, ...Object.fromEntries(lower) } };
}

/** The limit that makes a run's next turn its last: it has to answer with what it has. */
export function reachedLimit({ step, usage }: { readonly step: number; readonly usage: StepUsage }, { limits }: Engine): Reached | undefined {
  const { turns = TURNS_MAX, toolCalls = Infinity, runInputTokens = Infinity, runOutputTokens = Infinity } = limits;
  if (step >= turns - 1) return { code: 'turn_limit', message: `The run used all of its ${turns} turns without an answer.` };
  if (callCount(usage) >= toolCalls) return { code: 'tool_call_limit', message: `The run made the ${toolCalls} tool calls that it may make, and went on calling.` };
  if (usage.inputTokens >= runInputTokens) return { code: 'input_token_limit', message: `The run used the ${runInputTokens} input tokens that it may use without an answer.` };
  if (usage.outputTokens >= runOutputTokens) return { code: 'output_token_limit', message: `The run used the ${runOutputTokens} output tokens that it may use without an answer.` };
  return undefined;
}

/** What the model is told in its last turn; `answer` is the function by which it answers, if it does. */
export function lastTurn(answer: string | undefined): string {
  const how = answer === undefined ? 'no tool can be called any more' : `no tool but ${answer} can be called any more`;
  return `You have reached the limit of this run. Answer now with what you have; ${how}.`;
}

/** Tool calls of a usage, of all tools together. */
export function callCount({ toolCalls }: StepUsage): number {
  return Object.values(toolCalls).reduce((sum, count) => sum + count, 0);
}

/** Calls that one turn may make side by side. */
export function parallelCalls({ limits }: Engine): number {
  return Math.min(limits.parallelToolCalls ?? PARALLEL_CALLS_MAX, PARALLEL_CALLS_MAX);
}

/** Bytes of tool results that one run may gather; of those that come later only a note is kept. */
export function resultBytes({ limits }: Engine): number {
  return limits.resultBytes ?? RESULT_BYTES_MAX;
}

/** Whether an answer is larger than it may be. */
export function answerTooLarge(content: string, { limits }: Engine): Reached | undefined {
  const { answerChars = ANSWER_CHARS_MAX } = limits;
  return content.length > answerChars ? { code: 'answer_too_large', message: `The answer has ${content.length} characters; the run may have ${answerChars}.` } : undefined;
}

/** How a call is told from others: the same tool with the same arguments. */
type Same = Pick<JournalCall, 'name' | 'arguments'>;

/** Tells in how many of the last turns, one after the other, exactly this call was made and failed, and what follows from that. */
export function repeatedFailures(journal: readonly JournalEntry[]): (call: Same) => 'call' | 'refuse' | 'stop' {
  const results = resultsOf(journal);
  const turns = journal.filter((entry) => entry.kind === 'turn').toReversed();
  const failed = turns.map((turn) => new Set(turn.calls.filter(({ callId }) => results.get(callId)?.isError).map(keyOf)));
  return (call) => {
    const other = failed.findIndex((keys) => !keys.has(keyOf(call)));
    const count = other < 0 ? failed.length : other;
    return count < FAILURES_TOLD ? 'call' : count < FAILURES_MAX ? 'refuse' : 'stop';
  };
}

function keyOf({ name, arguments: args }: Same): string {
  return `${name} ${args}`;
}

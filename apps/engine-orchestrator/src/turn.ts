import type { Engine, RunOutcome, SealedTool, StepUsage } from '@nightshift/contracts';
import { cleanJson, must } from '@nightshift/std';
import { argumentProblems } from './argument-check.ts';
import { checkAnswer, correctionOf } from './answer.ts';
import { answerTooLarge, callCount, parallelCalls, reachedLimit, repeatedFailures, resultBytes } from './limits.ts';
import type { ModelReply } from './model.ts';
import { type OfferedTool, offeredTools } from './offered-tools.ts';
import { isPlan, type PlanNames, planNames } from './planner.ts';
import { addUsage, type JournalCall, type JournalEntry, type ResultEntry, type Session, type TurnEntry } from './session.ts';
import { TaskTree } from './task-tree.ts';
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
  /** Results known without calling anything: wrong arguments, unknown names. */
  readonly results: readonly ResultEntry[];
  readonly commands: readonly Command[];
  /** Bytes of tool results that the run may gather; the first that says so counts. */
  readonly resultBytesMax?: number;
  readonly usage: StepUsage;
  readonly outcome: RunOutcome | undefined;
}

const CORRECTIONS_MAX = 2;
const NOTHING: Pick<TurnEnd, 'results' | 'commands'> = { results: [], commands: [] };

/** Decides what a reply means for the session. `callIds` are fresh ids, at least one for each call of the reply. */
export function next(session: Session, journal: readonly JournalEntry[], reply: ModelReply, engine: Engine, callIds: readonly string[]): TurnEnd {
  const calls = reply.toolCalls.slice(0, parallelCalls(engine)).map((call, index) => {
    const callId = must(callIds[index], 'call id');
    const repeated = reply.toolCalls.findIndex((other) => other.id === call.id) !== index;
    return { callId, modelCallId: call.id === '' || repeated ? callId : call.id, name: call.name, arguments: call.arguments };
  });
  const repeated = repeatedFailures(journal);
  const reached = reachedLimit(session, engine);
  const stuck = calls.find((call) => repeated(call) === 'stop');
  const { results, commands } =
    reached || stuck ? NOTHING : dispatch(session, { step: session.step, calls }, { callsMax: (engine.limits.toolCalls ?? Infinity) - callCount(session.usage), isInVain: (call) => repeated(call) === 'refuse', problemsOf: argumentProblems });
  const used: StepUsage = { ...tokensUsed(reply), toolCalls: countOf(calls, commands) };
  const entry: TurnEntry = {
    kind: 'turn',
    step: session.step,
    content: reply.content,
    ...(reply.reasoning !== undefined && reply.reasoning !== '' && { reasoning: reply.reasoning }),
    calls,
    usage: used,
    ...(reply.usage.estimated.length > 0 && { estimated: reply.usage.estimated }),
    costMicroUsd: costMicroUsd(used, engine),
  };
  const end = { entry, results: [], commands: [], usage: addUsage(session.usage, used) };
  if (calls.length === 0) return { ...end, ...answerOf(session, journal, entry, reply, engine) };
  if (reached) return { ...end, outcome: failure(reached.code, reached.message) };
  if (stuck) return { ...end, outcome: failure('repeated_failure', `The model called ${stuck.name} again and again with the same arguments, and it failed each time.`) };
  const planned = TaskTree.of(journal, planNamesOf(session), engine.limits.subtaskDepth).grow(entry, new Map());
  const plans = [...planned].map(([callId, result]): ResultEntry => ({ kind: 'result', step: entry.step, callId, result }));
  return { ...end, results: [...results, ...plans], commands, resultBytesMax: resultBytes(engine), outcome: undefined };
}

function tokensUsed({ usage: { inputTokens, outputTokens, cachedInputTokens } }: ModelReply): Omit<StepUsage, 'toolCalls'> {
  return { inputTokens, outputTokens, cachedInputTokens };
}

/** Calls that are made, by name: those that were refused cost nothing. */
function countOf(calls: readonly JournalCall[], commands: readonly Command[]): Record<string, number> {
  const made = new Set(commands.map(({ callId }) => callId));
  const byName = Map.groupBy(calls.filter(({ callId }) => made.has(callId)), ({ name }) => name);
  return Object.fromEntries([...byName].map(([name, list]) => [name, list.length]));
}

/** The names of the planning functions in a session. */
function planNamesOf({ request }: Pick<Session, 'request'>): PlanNames {
  return planNames(offeredTools(request.tools).keys());
}

/** What keeps a call from being made. */
interface Checks {
  readonly callsMax: number;
  readonly isInVain: (call: JournalCall) => boolean;
  readonly problemsOf: (tool: OfferedTool, args: Record<string, unknown>) => readonly string[];
}

/** A turn that was committed has been checked: its refusals are in the journal. */
const UNCHECKED: Checks = { callsMax: Infinity, isInVain: () => false, problemsOf: () => [] };

/** What becomes of a turn's calls: at most `callsMax` of them are made, and none that is in vain. */
function dispatch(session: Session, { step, calls }: Pick<TurnEntry, 'step' | 'calls'>, { callsMax, isInVain, problemsOf }: Checks = UNCHECKED): Pick<TurnEnd, 'results' | 'commands'> {
  const offered = offeredTools(session.request.tools);
  const names = planNames(offered.keys());
  const results: ResultEntry[] = [];
  const commands: Command[] = [];
  for (const call of calls) {
    if (isPlan(names, call.name)) continue;
    const known = offered.get(call.name);
    const args = parseToolArguments(call.arguments);
    const refuse = (errorCode: string, content: string): void => void results.push({ kind: 'result', step, callId: call.callId, result: { isError: true, errorCode, content } });
    const problems = known && args.ok ? problemsOf(known, args.value) : [];
    if (!known) refuse('unknown_tool', `there is no tool "${call.name.slice(0, 64)}"; the tools are: ${[...offered.keys()].join(', ') || 'none'}`);
    else if (!args.ok) refuse('invalid_arguments', args.message);
    else if (problems.length > 0) refuse('invalid_arguments', ['The arguments do not match the parameters of the tool, so the call was not made:', ...problems.map((problem) => `- ${problem}`)].join('\n'));
    else if (isInVain(call)) refuse('repeated_failure', 'this call has failed before with the same arguments and was not made again; try something else, or answer with what you have');
    else if (commands.length >= callsMax) refuse('tool_call_limit', 'the run has made all the tool calls it may make; answer with what you have');
    else commands.push({ callId: call.callId, tool: known.tool, arguments: cleanJson(args.value) as Record<string, unknown> });
  }
  return { results, commands };
}

/** Whether a reply without calls ends the run, or has to be given once more. */
function answerOf(session: Session, journal: readonly JournalEntry[], entry: TurnEntry, reply: ModelReply, engine: Engine): { entry: TurnEntry; outcome: RunOutcome | undefined } {
  if (reply.finishReason === 'content_filter') return { entry, outcome: failure('content_filtered', 'The model server refused to answer because of its content filter.') };
  if (reply.finishReason === 'length') return { entry, outcome: failure('output_truncated', 'The model’s answer was cut off at its output limit; raise options.max_step_tokens or ask for less.') };
  if (reply.content.trim() === '') return { entry, outcome: failure('empty_answer', 'The model ended the run without an answer.') };
  const tooLarge = answerTooLarge(reply.content, engine);
  if (tooLarge) return { entry, outcome: failure(tooLarge.code, tooLarge.message) };
  const checked = checkAnswer(reply.content, session.request.answerFormat);
  if (checked.ok) return { entry, outcome: { status: 'succeeded', result: { answer: checked.value, reasoning: TaskTree.of([...journal, entry], planNamesOf(session), engine.limits.subtaskDepth).tasks() } } };
  const { problems } = checked;
  const corrections = journal.filter((one) => one.kind === 'turn' && one.correction !== undefined).length;
  if (corrections < CORRECTIONS_MAX && !reachedLimit(session, engine)) return { entry: { ...entry, correction: correctionOf(problems) }, outcome: undefined };
  return { entry, outcome: failure('invalid_answer', `The model’s answer did not match input.answerFormat in ${corrections + 1} tries: ${problems[0]}`, { errors: problems }) };
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

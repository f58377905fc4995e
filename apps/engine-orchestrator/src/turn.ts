import type { Engine, RunOutcome, SealedTool, StepUsage } from '@nightshift/contracts';
import { cleanJson, must } from '@nightshift/std';
import { answerOfCall } from './answer-function.ts';
import { argumentProblems } from './argument-check.ts';
import { checkAnswer, correctionOf } from './answer.ts';
import { answerTooLarge, callCount, parallelCalls, reachedLimit, repeatedFailures, resultBytes } from './limits.ts';
import type { ModelReply } from './model.ts';
import type { OfferedTool } from './mcp-offers.ts';
import { type Offers, offersOf } from './offered-tools.ts';
import { isOwn, type OwnNames } from './planner.ts';
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
const INVALID_ANSWER = 'invalid_answer';
const NOTHING: Pick<TurnEnd, 'results' | 'commands'> = { results: [], commands: [] };

/** Decides what a reply means for the session. `callIds` are fresh ids, at least one for each call of the reply. */
export function next(session: Session, journal: readonly JournalEntry[], reply: ModelReply, engine: Engine, callIds: readonly string[]): TurnEnd {
  const calls = reply.toolCalls.slice(0, parallelCalls(engine)).map((call, index) => {
    const callId = must(callIds[index], 'call id');
    const repeated = reply.toolCalls.findIndex((other) => other.id === call.id) !== index;
    return { callId, modelCallId: call.id === '' || repeated ? callId : call.id, name: call.name, arguments: call.arguments };
  });
  const offers = offersOf(session.request, journal);
  const { names } = offers;
  const answered = reply.finishReason === 'content_filter' || calls.every(({ name }) => name === names.answer);
  const repeated = repeatedFailures(journal);
  const reached = reachedLimit(session, engine);
  const stuck = calls.find((call) => repeated(call) === 'stop');
  // Where the reply was cut off, nobody knows what else the last call would have said.
  const cut = reply.finishReason === 'length' ? calls.at(-1) : undefined;
  const checks: Checks = { callsMax: (engine.limits.toolCalls ?? Infinity) - callCount(session.usage), cut, isInVain: (call) => repeated(call) === 'refuse', problemsOf: argumentProblems };
  const { results, commands } = answered || reached || stuck ? NOTHING : dispatch(offers, { step: session.step, calls }, checks);
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
  const end = { entry, ...NOTHING, usage: addUsage(session.usage, used) };
  if (answered) return { ...end, ...answerOf(session, journal, names, entry, reply, engine) };
  if (reached) return { ...end, outcome: failure(reached.code, reached.message) };
  if (stuck) return { ...end, outcome: failure('repeated_failure', `The model called ${stuck.name} again and again with the same arguments, and it failed each time.`) };
  const planned = TaskTree.of(journal, names, engine.limits.subtaskDepth).grow(entry, new Map());
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

/** What keeps a call from being made. */
interface Checks {
  readonly callsMax: number;
  /** The call that the reply broke off in. */
  readonly cut: JournalCall | undefined;
  readonly isInVain: (call: JournalCall) => boolean;
  readonly problemsOf: (tool: OfferedTool, args: Record<string, unknown>) => readonly string[];
}

/** A turn that was committed has been checked: its refusals are in the journal. */
const UNCHECKED: Checks = { callsMax: Infinity, cut: undefined, isInVain: () => false, problemsOf: () => [] };

/** What becomes of a turn's calls: at most `callsMax` of them are made, and none that was cut off or is in vain. */
function dispatch({ tools, names }: Offers, { step, calls }: Pick<TurnEntry, 'step' | 'calls'>, { callsMax, cut, isInVain, problemsOf }: Checks = UNCHECKED): Pick<TurnEnd, 'results' | 'commands'> {
  const results: ResultEntry[] = [];
  const commands: Command[] = [];
  for (const call of calls) {
    const known = tools.get(call.name);
    const args = parseToolArguments(call.arguments);
    const refuse = (errorCode: string, content: string): void => void results.push({ kind: 'result', step, callId: call.callId, result: { isError: true, errorCode, content } });
    const problems = known && args.ok ? problemsOf(known, args.value) : [];
    if (call.name === names.answer) refuse('not_alone', 'answer when the results of the other calls are known');
    else if (isOwn(names, call.name)) continue;
    else if (!known) refuse('unknown_tool', `there is no tool "${call.name.slice(0, 64)}"; the tools are: ${[...tools.keys()].join(', ') || 'none'}`);
    else if (call === cut) refuse('invalid_arguments', 'the call was cut off at the output limit and was not made; say less in one turn');
    else if (!args.ok) refuse('invalid_arguments', args.message);
    else if (problems.length > 0) refuse('invalid_arguments', ['The arguments do not match the parameters of the tool, so the call was not made:', ...problems.map((problem) => `- ${problem}`)].join('\n'));
    else if (isInVain(call)) refuse('repeated_failure', 'this call has failed before with the same arguments and was not made again; try something else, or answer with what you have');
    else if (commands.length >= callsMax) refuse('tool_call_limit', 'the run has made all the tool calls it may make; answer with what you have');
    else commands.push({ callId: call.callId, tool: known.tool, arguments: cleanJson(args.value) as Record<string, unknown> });
  }
  return { results, commands };
}

/** Whether a reply that answers, by its text or by our function for it, ends the run, or has to be given once more. */
function answerOf(session: Session, journal: readonly JournalEntry[], names: OwnNames, entry: TurnEntry, reply: ModelReply, engine: Engine): Pick<TurnEnd, 'entry' | 'results' | 'outcome'> {
  const { answerFormat } = session.request;
  const failed = (code: string, message: string, details?: Record<string, unknown>) => ({ entry, results: [], outcome: failure(code, message, details) });
  const [call, ...more] = entry.calls;
  const content = call && answerFormat ? answerOfCall(call, answerFormat) : reply.content;
  if (reply.finishReason === 'content_filter') return failed('content_filtered', 'The model server refused to answer because of its content filter.');
  if (reply.finishReason === 'length') return failed('output_truncated', 'The model’s answer was cut off at its output limit; raise options.max_step_tokens or ask for less.');
  if (content.trim() === '') return failed('empty_answer', 'The model ended the run without an answer.');
  const tooLarge = answerTooLarge(content, engine);
  if (tooLarge) return failed(tooLarge.code, tooLarge.message);
  const checked = checkAnswer(content, answerFormat);
  if (checked.ok) {
    const reasoning = TaskTree.of([...journal, entry], names, engine.limits.subtaskDepth).tasks();
    return { entry, results: [], outcome: { status: 'succeeded', result: { answer: checked.value, reasoning } } };
  }
  const { problems } = checked;
  const corrections = journal.filter((one) => (one.kind === 'turn' ? one.correction !== undefined : one.kind === 'result' && one.result.errorCode === INVALID_ANSWER)).length;
  if (corrections >= CORRECTIONS_MAX || reachedLimit(session, engine)) return failed(INVALID_ANSWER, `The model’s answer did not match input.answerFormat in ${corrections + 1} tries: ${problems[0]}`, { errors: problems });
  if (!call) return { entry: { ...entry, correction: correctionOf(problems) }, results: [], outcome: undefined };
  const refusal = (callId: string, errorCode: string, text: string): ResultEntry => ({ kind: 'result', step: entry.step, callId, result: { isError: true, errorCode, content: text } });
  return { entry, results: [refusal(call.callId, INVALID_ANSWER, correctionOf(problems)), ...more.map(({ callId }) => refusal(callId, 'repeated_answer', 'answer once'))], outcome: undefined };
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
  return dispatch(offersOf(session.request, journal), turn).commands.filter((command) => !known.has(command.callId));
}

/** One call of the journal as it was commanded, or undefined for a call that was never commanded. */
export function commandOf(session: Session, journal: readonly JournalEntry[], callId: string): Command | undefined {
  const turn = journal.find((entry): entry is TurnEntry => entry.kind === 'turn' && entry.calls.some((call) => call.callId === callId));
  return turn && dispatch(offersOf(session.request, journal), turn).commands.find((command) => command.callId === callId);
}

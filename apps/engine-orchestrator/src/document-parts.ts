import type { FrameKind } from '@nightshift/contracts';
import type { Bracket } from './json-scanner.ts';
import { type TaskNode, type TaskTree, taskOf, toolResultOf, toolUseOf } from './task-tree.ts';
import { parseToolArguments } from './tool-arguments.ts';

/** Something that is shown of a run: text of its document, a task that is finished, or a tool call that was answered; the last two as JSON. */
export interface Shown {
  readonly kind: Extract<FrameKind, 'text' | 'node' | 'call'>;
  readonly text: string;
}

/** A piece of the document in which all brackets but `brackets` are closed again. */
export interface Segment {
  /** It needs a comma before it, unless it is the first. */
  readonly isItem?: boolean;
  /** What it leaves open, or closes of what was left open. */
  readonly brackets: readonly (Bracket | 'close')[];
  readonly text: () => string;
  /** What is finished with it. */
  readonly after?: () => Shown | undefined;
}

/** How the document ends: with the answer as JSON text, or without one. */
export interface Ending {
  readonly answer: string | undefined;
}

interface View {
  /** Calls whose results are not looked at. */
  readonly unanswered: ReadonlySet<string>;
  /** Everything ends, finished or not. */
  readonly isEnd: boolean;
}

/** A task that is told of alone has at most so many characters: what is larger is in the document and in the result. */
const NODE_CHARS_MAX = 1024 * 1024;

/**
 * The document that a tree of tasks makes, depth first, up to the first task that is not finished; whole with an ending.
 * While a tree grows, its segments do so at their end alone.
 */
export function segmentsOf(tree: TaskTree, unanswered: ReadonlySet<string>, ending: Ending | undefined): Segment[] {
  const segments: Segment[] = [{ text: () => '{"reasoning":[', brackets: ['{', '['] }];
  addTasks(segments, tree.roots, { unanswered, isEnd: ending !== undefined }, true);
  if (ending) segments.push({ text: () => `]${answerEnd(ending)}`, brackets: ['close', 'close'] });
  return segments;
}

/** The same for a run that shows its answer alone. */
export function answerSegments(ending: Ending | undefined): Segment[] {
  const begin: Segment = { text: () => '{', brackets: ['{'] };
  return ending ? [begin, { text: () => answerEnd(ending).slice(1), isItem: true, brackets: ['close'] }] : [begin];
}

/** The end of a document after its list of tasks. */
export function answerEnd({ answer = 'null' }: Ending): string {
  return `${ANSWER_KEY}${answer}}`;
}

/** Adds tasks; false when one of them is not finished. */
function addTasks(segments: Segment[], nodes: readonly TaskNode[], view: View, isRoot: boolean): boolean {
  return nodes.every((node, index) => addTask(segments, node, view, isRoot, !isRoot && index === 0));
}

function addTask(segments: Segment[], node: TaskNode, view: View, isRoot: boolean, isFirstChild: boolean): boolean {
  const { use, subtasks, conclusion } = node;
  if (isFirstChild) segments.push({ text: () => SUBTASKS + taskBegin(node), brackets: ['[', '{'] });
  else segments.push({ text: () => taskBegin(node), isItem: true, brackets: ['{'] });
  if (use) {
    const result = view.unanswered.has(use.call.callId) ? undefined : use.result;
    segments.push({ text: () => callBegin(use.call.name, use.call.callId) + parametersOf(use.call.arguments), brackets: ['{'] });
    if (!result && !view.isEnd) return false;
    segments.push({
      text: () => (result ? `,"tool_result":${JSON.stringify(toolResultOf(result)) ?? 'null'}}` : '}'),
      brackets: ['close'],
      after: () => result && { kind: 'call', text: JSON.stringify(toolUseOf(use)) },
    });
  }
  if (!addTasks(segments, subtasks, view, false)) return false;
  if (node.isPlanned && conclusion === undefined && !view.isEnd) return false;
  segments.push({
    text: () => `${subtasks.length > 0 ? ']' : ''}${conclusion === undefined ? '' : `,"conclusion":${JSON.stringify(conclusion)}`}}`,
    brackets: subtasks.length > 0 ? ['close', 'close'] : ['close'],
    after: () => (isRoot ? toldAlone(node) : undefined),
  });
  return true;
}

function toldAlone(node: TaskNode): Shown | undefined {
  const text = JSON.stringify(taskOf(node));
  return text.length <= NODE_CHARS_MAX ? { kind: 'node', text } : undefined;
}

/** What stands before the answer, after the list of tasks. */
export const ANSWER_KEY = ',"answer":';

/** What stands before the first subtask of a task. */
export const SUBTASKS = ',"subtasks":[';

/** The beginning of a task; its thought comes first, since it is known first. */
function taskBegin({ thought, title }: TaskNode): string {
  return `{${thought === undefined ? '' : `"thought":${JSON.stringify(thought)},`}"title":${JSON.stringify(title)}`;
}

/** The beginning of a tool call, up to its parameters. */
export function callBegin(name: string, callId: string): string {
  return `,"tooluse":{"tool_name":${JSON.stringify(name)},"tool_call_id":${JSON.stringify(callId)},"parameters":`;
}

function parametersOf(args: string): string {
  const parsed = parseToolArguments(args);
  return parsed.ok ? spelledAs(args, parsed.value) : '{}';
}

/** A value as JSON text: as it was spelled, where that means the same. */
export function spelledAs(spelling: string, value: unknown): string {
  return spelling.trim() !== '' && isClean(spelling) ? spelling.trim() : JSON.stringify(value);
}

/** Whether the escapes of a JSON text leave its texts as they are stored: they spell no NUL and no half of a surrogate pair alone. */
function isClean(spelling: string): boolean {
  if (!/\\u(?:0000|d[89a-f])/i.test(spelling)) return true;
  // An escaped backslash is an escape of its own: what follows it is plain text.
  const decoded = spelling.replaceAll(/\\(?:u([\da-f]{4})|.)/gi, (_escape, code?: string) => (code === undefined ? ' ' : String.fromCharCode(Number.parseInt(code, 16))));
  return decoded.isWellFormed() && !decoded.includes('\0');
}

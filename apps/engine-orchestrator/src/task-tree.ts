import type { Task, ToolResult } from '@nightshift/contracts';
import { ConcludeSubtask, OpenSubtasks, type OwnNames } from './planner.ts';
import type { JournalCall, JournalEntry, JournalResult, TurnEntry } from './session.ts';
import { parseToolArguments } from './tool-arguments.ts';
import { resultForClients } from './tool-blocks.ts';

/** Turns that made up a subtask which is concluded: first and last step, both included. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A task while the tree grows. */
export interface TaskNode {
  readonly title: string;
  readonly thought?: string;
  /** The tool call that the task is, and what it was answered. */
  readonly use?: { readonly call: JournalCall; readonly result: JournalResult | undefined };
  /** It is a subtask that was planned, and ends with a conclusion. */
  readonly isPlanned?: boolean;
  readonly subtasks: TaskNode[];
  conclusion?: string;
}

/** A list of subtasks that is being worked on: one of them is open, since the step `since`. */
interface OpenList {
  readonly nodes: readonly TaskNode[];
  at: number;
  since: number;
}

/** How deep subtasks are nested at most, where the engine says nothing else. */
export const SUBTASK_DEPTH_MAX = 8;

/** The tree of tasks that a journal tells, grown turn by turn. */
export class TaskTree {
  readonly #names: OwnNames;
  readonly #depthMax: number;
  readonly #root: TaskNode[] = [];
  readonly #open: OpenList[] = [];
  readonly #concluded: Span[] = [];

  constructor(names: OwnNames, depthMax = SUBTASK_DEPTH_MAX) {
    this.#names = names;
    this.#depthMax = depthMax;
  }

  /** The tree of a whole journal. */
  static of(journal: readonly JournalEntry[], names: OwnNames, depthMax?: number, results: ReadonlyMap<string, JournalResult> = resultsOf(journal)): TaskTree {
    const tree = new TaskTree(names, depthMax);
    for (const entry of journal) if (entry.kind === 'turn') tree.grow(entry, results);
    return tree;
  }

  /** What was concluded, in that order; of what ended in one turn, the outermost. */
  get concluded(): readonly Span[] {
    return this.#concluded;
  }

  /** The tasks as clients see them. */
  tasks(): Task[] {
    return this.#root.map(taskOf);
  }

  /** The tasks that no other contains. */
  get roots(): readonly TaskNode[] {
    return this.#root;
  }

  /** The subtask that is open; undefined when none is. */
  get openTask(): TaskNode | undefined {
    const list = this.#open.at(-1);
    return list?.nodes[list.at];
  }

  /** Adds a turn. Returns what its planning calls are answered, by call id. */
  grow(turn: TurnEntry, results: ReadonlyMap<string, JournalResult>): Map<string, ToolResult> {
    const answers = new Map<string, ToolResult>();
    let thought = thoughtOf(turn);
    const thoughtOnce = () => {
      const once = thought === '' ? {} : { thought };
      thought = '';
      return once;
    };
    if (turn.reasoning !== undefined && turn.calls.every(({ name }) => name === this.#names.answer)) this.#add({ title: 'Answer', thought: turn.reasoning, subtasks: [] });
    for (const call of turn.calls) {
      if (call.name === this.#names.open) answers.set(call.callId, this.#openList(call, turn.step, thoughtOnce));
      else if (call.name === this.#names.conclude) answers.set(call.callId, this.#conclude(call, turn.step, thoughtOnce));
      else if (call.name !== this.#names.answer) this.#add({ title: callTitle(call.name), ...thoughtOnce(), use: { call, result: results.get(call.callId) }, subtasks: [] });
    }
    // What was thought before calls that were refused is not lost.
    if (turn.calls.some(({ name }) => name !== this.#names.answer) && thought !== '') this.#add({ title: 'Plan', thought, subtasks: [] });
    return answers;
  }

  #add(node: TaskNode): void {
    (this.openTask?.subtasks ?? this.#root).push(node);
  }

  #openList(call: JournalCall, step: number, thought: () => { thought?: string }): ToolResult {
    const asked = argumentsOf(call, OpenSubtasks);
    if (!asked.ok) return asked.refusal;
    if (this.#open.length >= this.#depthMax) return refusal('too_deep', `subtasks may be ${this.#depthMax} deep at most; work on the open one`);
    const planned = thought();
    if (planned.thought !== undefined) this.#add({ title: 'Plan', ...planned, subtasks: [] });
    const nodes = asked.value.subtasks.map(({ title, thought: how }): TaskNode => ({ title, ...(how && { thought: how }), isPlanned: true, subtasks: [] }));
    for (const node of nodes) this.#add(node);
    this.#open.push({ nodes, at: 0, since: step + 1 });
    return { isError: false, content: this.#whatIsOpen() };
  }

  #conclude(call: JournalCall, step: number, thought: () => { thought?: string }): ToolResult {
    const asked = argumentsOf(call, ConcludeSubtask);
    if (!asked.ok) return asked.refusal;
    const list = this.#open.at(-1);
    const node = list?.nodes[list.at];
    if (!list || !node) return refusal('nothing_open', 'no subtask is open; answer when the task is done');
    const last = thought();
    if (last.thought !== undefined) this.#add({ title: 'Conclude', ...last, subtasks: [] });
    node.conclusion = asked.value.conclusion;
    this.#note({ from: list.since, to: step - 1 });
    list.at += 1;
    list.since = step + 1;
    if (list.at === list.nodes.length) this.#open.pop();
    return { isError: false, content: `Concluded. ${this.#whatIsOpen(list)}` };
  }

  #note(span: Span): void {
    if (span.to < span.from) return;
    if (this.#concluded.at(-1)?.to === span.to) this.#concluded.pop();
    this.#concluded.push(span);
  }

  #whatIsOpen(finished?: OpenList): string {
    const list = this.#open.at(-1);
    const done = finished && finished.at === finished.nodes.length ? `All ${finished.nodes.length} subtasks are done. ` : '';
    if (!list) return `${done}Go on with the task itself, or answer.`;
    return `${done}Subtask ${list.at + 1} of ${list.nodes.length} is open${done && ' again'}: ${list.nodes[list.at]?.title}`;
  }
}

/** The tool results of a journal by call. */
export function resultsOf(journal: readonly JournalEntry[]): Map<string, JournalResult> {
  const results = new Map<string, JournalResult>();
  for (const entry of journal) if (entry.kind === 'result') results.set(entry.callId, entry.result);
  return results;
}

/** What a turn thought before it called tools. */
export function thoughtOf({ reasoning, content }: Pick<TurnEntry, 'reasoning' | 'content'>): string {
  return [reasoning, content].filter((text) => text !== undefined && text !== '').join('\n');
}

/** The title of the task that a tool call is. */
export function callTitle(name: string): string {
  return `Call ${name}`;
}

/** A task as clients see it. */
export function taskOf({ title, thought, use, subtasks, conclusion }: TaskNode): Task {
  return {
    title,
    ...(thought !== undefined && { thought }),
    ...(use && { tooluse: toolUseOf(use) }),
    ...(subtasks.length > 0 && { subtasks: subtasks.map(taskOf) }),
    ...(conclusion !== undefined && { conclusion }),
  };
}

/** A tool call as clients see it. */
export function toolUseOf({ call, result }: NonNullable<TaskNode['use']>): NonNullable<Task['tooluse']> {
  const args = parseToolArguments(call.arguments);
  return { tool_name: call.name, tool_call_id: call.callId, parameters: args.ok ? args.value : {}, ...(result && { tool_result: toolResultOf(result) }) };
}

/** What a tool answered, as clients see it. */
export function toolResultOf(result: JournalResult): unknown {
  return result.isError ? { error: resultForClients(result) } : resultForClients(result);
}

function argumentsOf<T>(call: JournalCall, schema: { safeParse(value: unknown): { success: true; data: T } | { success: false; error: { issues: readonly { path: PropertyKey[]; message: string }[] } } }): { ok: true; value: T } | { ok: false; refusal: ToolResult } {
  const args = parseToolArguments(call.arguments);
  if (!args.ok) return { ok: false, refusal: refusal('invalid_arguments', args.message) };
  const parsed = schema.safeParse(args.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, refusal: refusal('invalid_arguments', parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`).join('; ')) };
}

function refusal(errorCode: string, content: string): ToolResult {
  return { isError: true, errorCode, content };
}

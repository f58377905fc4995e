/** Renders the prompts of long runs and prints, as one line of JSON, how long that takes: `[{ what, bestMs, medianMs }]`. */
import { DEFAULT_ENGINES } from '@nightshift/contracts';
import { must } from '@nightshift/std';
import { promptOf } from '../src/prompt.ts';
import { type JournalEntry, journaled, type Session } from '../src/session.ts';

const ROUNDS = 200;
const TASKS = 500;
const SUBTASKS = 10;
const CALLS = 4;
const engine = must(DEFAULT_ENGINES[0], 'engine');
const nothing = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };
const look = { type: 'function' as const, name: 'look', url: 'https://tools.example/look', method: 'POST' as const, parameters: { type: 'object', properties: { page: { type: 'integer' } } }, retry: 'safe' as const, timeoutMs: 1000, hidden: [] };

/** The journal of a run of so many turns: lists of subtasks, each of some calls and a conclusion. */
function journalOf(content: (step: number) => unknown): JournalEntry[] {
  const journal: JournalEntry[] = [];
  let step = 0;
  const turn = (name: string, args: object, answer: unknown): void => {
    const callId = `call_${step}`;
    journal.push({ kind: 'turn', step, content: 'I go on with what is next.', calls: [{ callId, modelCallId: `m_${step}`, name, arguments: JSON.stringify(args) }], usage: nothing, costMicroUsd: 1 });
    journal.push({ kind: 'result', step, callId, result: journaled({ isError: false, content: answer }) });
    step += 1;
  };
  while (step < TASKS) {
    turn('open_subtasks', { subtasks: Array.from({ length: SUBTASKS }, (_, at) => ({ title: `Part ${at}` })) }, 'Subtask 1 is open');
    for (let at = 0; at < SUBTASKS; at += 1) {
      for (let call = 0; call < CALLS; call += 1) turn('look', { page: step }, content(step));
      turn('conclude_subtask', { conclusion: `What part ${at} came to.` }, 'Concluded.');
    }
  }
  return journal;
}

/** Each round renders what was just read, since a turn begins with reading its journal. */
function measure(what: string, content: (step: number) => unknown): { what: string; bestMs: number; medianMs: number } {
  const journal = journalOf(content);
  const stored = JSON.stringify(journal);
  const session: Pick<Session, 'request' | 'step' | 'usage'> = { request: { instructions: 'Look through all pages.', tools: [look] }, step: journal.length / 2, usage: nothing };
  const times = Array.from({ length: ROUNDS }, () => {
    const read = JSON.parse(stored) as JournalEntry[];
    const startedAt = performance.now();
    promptOf(session, read, { model: 'm', responseFormat: 'json_schema', reasoningEffort: undefined }, engine);
    return performance.now() - startedAt;
  }).toSorted((a, b) => a - b);
  return { what, bestMs: must(times[0], 'best'), medianMs: must(times[ROUNDS / 2], 'median') };
}

const rows = (count: number) => (step: number) => ({ page: step, rows: Array.from({ length: count }, (_, at) => ({ id: at, name: `row ${at} of the page`, text: 'a few words of what it says' })) });
console.log(JSON.stringify([measure('8 KB results', rows(105)), measure('small results', rows(1))]));

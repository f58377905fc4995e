import { type AnswerEncoding, isTerminal, type RunError, type RunOutcome, type RunResult, type RunStatus, type StepUsage } from '@nightshift/contracts';
import { assertNever } from '@nightshift/std';

/** A run as its owner keeps it: everything but the request itself. */
export interface Run {
  readonly id: string;
  readonly orgId: string;
  readonly apiKeyId: string;
  readonly pool: string;
  readonly engine: string;
  readonly status: RunStatus;
  /** Grows with each write; a write names the version it has seen. */
  readonly version: number;
  readonly timeoutMs: number;
  readonly callbackUrl: string | null;
  /** Ranges that the organisation's webhooks may reach although they are not public. */
  readonly egressAllow: readonly string[];
  readonly responseContent: 'full' | 'answer_only';
  readonly answerEncoding: AnswerEncoding;
  readonly metadata: Record<string, unknown> | null;
  readonly traceparent: string;
  readonly result: RunResult | null;
  readonly error: RunError | null;
  /** Null until the engine has said what the run used. */
  readonly usage: StepUsage | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly completedAt: Date | null;
  /** When the run times out, as long as it is not terminal. */
  readonly deadlineAt: Date;
  /** When the engine is asked again; null when nothing is awaited from it. */
  readonly checkAt: Date | null;
  readonly checkCount: number;
}

/** What the engine says when it has let go of a run. */
interface Used {
  readonly usage: StepUsage;
  /** When the first turn began, if it did. */
  readonly startedAt?: Date;
}

/** Something that has happened to a run. */
export type RunEvent =
  | { readonly kind: 'started' }
  | ({ readonly kind: 'outcome'; readonly outcome: RunOutcome } & Used)
  | ({ readonly kind: 'stopped' } & Used)
  /** The engine has said that the run has ended, and could not be asked how. */
  | ({ readonly kind: 'outcome unread' } & Used)
  | { readonly kind: 'cancel' }
  /** Somebody waits for the end of the run's stream. */
  | { readonly kind: 'end awaited' }
  | { readonly kind: 'due' };

/** What the world has to hear of a change: `start` and `stop` go to the engine, `finished` to whoever waits for the end. */
export type Effect = 'start' | 'stop' | 'finished';

/** The new state with its effects. */
export interface Change {
  readonly run: Run;
  readonly effects: readonly Effect[];
}

/** How long a run may wait in the queue. */
export const QUEUE_LIMIT_MS = 24 * 3600 * 1000;

const CHECK_FIRST_MS = 30_000;
const CHECK_MAX_MS = 600_000;
/** Soon, and less often the longer nobody answers: a sixth of the time until the engine is asked otherwise. */
const READ_AGAIN_PART = 6;

/** How long after `checkCount` checks the engine is asked again: 30 s, doubling to 10 min. */
export function checkDelayMs(checkCount: number): number {
  return Math.min(CHECK_MAX_MS, CHECK_FIRST_MS * 2 ** Math.min(checkCount, 10));
}

/** When the run needs attention next: its deadline or the next check; null when nothing can happen any more. */
export function dueAt(run: Run): Date | null {
  if (isTerminal(run.status)) return run.checkAt;
  return run.checkAt && run.checkAt < run.deadlineAt ? run.checkAt : run.deadlineAt;
}

/**
 * The state machine: queued → running → one terminal state, and never out of it.
 * Returns undefined when the event changes nothing: it is late, or a repetition. `now` is the database's clock.
 */
export function transition(run: Run, event: RunEvent, now: Date): Change | undefined {
  if (isTerminal(run.status)) return afterTheEnd(run, event, now);
  switch (event.kind) {
    case 'started':
      if (run.status === 'running') return undefined;
      return { run: { ...run, status: 'running', startedAt: now, deadlineAt: new Date(now.getTime() + run.timeoutMs) }, effects: [] };
    case 'outcome': {
      const { outcome } = event;
      const ended = { ...end(run, outcome.status, now), ...used(run, event) };
      if (outcome.status === 'failed') return { run: { ...ended, error: outcome.error }, effects: ['stop', 'finished'] };
      const { answer, reasoning } = outcome.result;
      const result = run.responseContent === 'answer_only' || reasoning === undefined ? { answer } : { answer, reasoning };
      return { run: { ...ended, result }, effects: ['stop', 'finished'] };
    }
    case 'stopped':
      return { run: { ...end(run, 'canceled', now), ...used(run, event) }, effects: ['stop', 'finished'] };
    case 'outcome unread':
      return readAgain(run, now);
    case 'end awaited':
      return undefined;
    case 'cancel':
      return { run: awaitUsage(end(run, 'canceled', now), now), effects: ['stop', 'finished'] };
    case 'due':
      return now >= run.deadlineAt ? timeOut(run, now) : check(run, now, 'start');
    default:
      return assertNever(event);
  }
}

/** After its end a run only learns what it used. */
function afterTheEnd(run: Run, event: RunEvent, now: Date): Change | undefined {
  if (event.kind === 'end awaited') return { run, effects: ['stop'] };
  if (run.usage) return undefined;
  if ('usage' in event) return { run: { ...run, usage: event.usage, checkAt: null }, effects: [] };
  return event.kind === 'due' ? check(run, now, 'stop') : undefined;
}

/** What the engine's last word on a run adds to it. `started` comes somewhat after the start, together with the end of a short run, or even later: the engine knows when it was. */
function used({ startedAt }: Run, event: Used): Pick<Run, 'usage' | 'startedAt' | 'checkAt'> {
  return { usage: event.usage, startedAt: event.startedAt ?? startedAt, checkAt: null };
}

function end(run: Run, status: RunStatus, now: Date): Run {
  return { ...run, status, completedAt: now };
}

function timeOut(run: Run, now: Date): Change {
  const error =
    run.status === 'queued'
      ? { code: 'queue_timeout', message: 'The run waited in the queue for 24 hours without being started.' }
      : { code: 'timeout', message: `The run did not end within its timeout of ${run.timeoutMs / 1000} s.` };
  return { run: { ...awaitUsage(end(run, 'timed_out', now), now), error }, effects: ['stop', 'finished'] };
}

function readAgain(run: Run, now: Date): Change | undefined {
  const checkAt = new Date(now.getTime() + checkDelayMs(run.checkCount) / READ_AGAIN_PART);
  return run.checkAt && run.checkAt <= checkAt ? undefined : { run: { ...run, checkAt }, effects: [] };
}

function awaitUsage(run: Run, now: Date): Run {
  return { ...run, checkCount: 0, checkAt: new Date(now.getTime() + checkDelayMs(0)) };
}

/** After its end a run's usage is asked for as long as it may wait in a queue: its pool may have no engines any more. */
function check(run: Run, now: Date, effect: Effect): Change {
  if (run.completedAt && now.getTime() - run.completedAt.getTime() > QUEUE_LIMIT_MS) return { run: { ...run, checkAt: null }, effects: [] };
  const checkCount = run.checkCount + 1;
  return { run: { ...run, checkCount, checkAt: new Date(now.getTime() + checkDelayMs(checkCount)) }, effects: [effect] };
}

/** Applies events one after the other; the effects add up. Undefined when none of them changes anything. */
export function fold(run: Run, events: readonly RunEvent[], now: Date): Change | undefined {
  let change: Change | undefined;
  for (const event of events) {
    const next = transition(change?.run ?? run, event, now);
    if (next) change = { run: next.run, effects: [...(change?.effects ?? []), ...next.effects] };
  }
  return change;
}

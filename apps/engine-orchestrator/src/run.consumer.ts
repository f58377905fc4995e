import { Controller, Inject } from '@nestjs/common';
import { InternalRunRequest, type RunRequest, type RunStart, type RunStop } from '@nightshift/contracts';
import { endedAmong, type InternalClient } from '@nightshift/http';
import { Consumes, isStale, type Message } from '@nightshift/messaging';
import { mapLimited } from '@nightshift/std';
import { cancelEvents, outcomeEvent, startedEvent, stoppedEvent } from './engine-events.ts';
import { RunEnds } from './run-end.store.ts';
import type { NewSession } from './session.store.ts';
import { SessionStore } from './session.store.ts';
import { TurnLoop } from './turn.loop.ts';

/** The injection token of the client of runs. */
export const RUNS_CLIENT = Symbol('client of runs');

const FETCHES_AT_ONCE = 4;
const STARTS_PER_STATEMENT = 64;

type With<T> = T & { readonly traceparent: string | undefined };

/** What runs commands: begin a session, or stop it. */
@Controller()
export class RunConsumer {
  constructor(
    @Inject(SessionStore) private readonly sessions: SessionStore,
    @Inject(TurnLoop) private readonly turns: TurnLoop,
    @Inject(RunEnds) private readonly ends: RunEnds,
    @Inject(RUNS_CLIENT) private readonly runs: InternalClient,
  ) {}

  @Consumes('run.commanded')
  async commanded(messages: readonly Message<'run.commanded'>[]): Promise<void> {
    const starts: With<RunStart>[] = [];
    const stops: With<RunStop>[] = [];
    const late: string[] = [];
    for (const { id, payload, traceparent } of messages) {
      if (payload.command === 'stop') stops.push({ ...payload, traceparent });
      else starts.push({ ...payload, traceparent });
      if (payload.command === 'start' && isStale({ id })) late.push(payload.runId);
    }
    // Canceled, for instance, while their commands waited: nobody would get what they are charged for.
    const ended = await endedAmong(this.runs, '/internal/ended-runs', late);
    // A run that is stopped in the same breath is never started.
    if (stops.length > 0) await this.#stop(stops);
    const wanted = starts.filter(({ runId }) => !ended.has(runId));
    if (wanted.length > 0) await this.#start(wanted);
  }

  async #start(starts: readonly With<RunStart>[]): Promise<void> {
    const named = [...new Map(starts.map((start) => [start.runId, start])).values()];
    // A check repeats the command: what is known already is not fetched again, however large it is.
    const without = named.filter((start) => !start.request).map((start) => start.runId);
    const existing = new Set(without.length > 0 ? (await this.sessions.ends(without)).map((session) => session.runId) : []);
    for (let from = 0; from < named.length; from += STARTS_PER_STATEMENT) {
      await this.#startSome(named.slice(from, from + STARTS_PER_STATEMENT).filter((start) => !existing.has(start.runId)));
    }
    await this.#answerAgain([...existing]);
  }

  async #startSome(unique: readonly With<RunStart>[]): Promise<void> {
    if (unique.length === 0) return;
    const requests = await mapLimited(unique, FETCHES_AT_ONCE, (start) => this.#requestOf(start));
    const known = await this.turns.begin(unique.length, async (granted) => {
      const sessions = unique.map((start, index): NewSession => ({ ...start, request: requests[index] as RunRequest, claim: index < granted }));
      return this.sessions.insert(sessions, sessions.filter((session) => session.claim).map(startedEvent));
    });
    const fresh = new Set(known.map((row) => row.runId));
    await this.#answerAgain(unique.map((start) => start.runId).filter((runId) => !fresh.has(runId)));
  }

  /** A request too large to travel is asked for. */
  async #requestOf(start: RunStart): Promise<RunRequest> {
    if (start.request) return start.request;
    return (await this.runs.call({ method: 'GET', path: `/internal/runs/${start.runId}/request` }, InternalRunRequest)).request;
  }

  /** Whoever asks for what is done gets the outcome once more. */
  async #answerAgain(runIds: readonly string[]): Promise<void> {
    if (runIds.length === 0) return;
    const sessions = await this.sessions.ends(runIds);
    await this.sessions.emit(sessions.flatMap((session) => (session.state === 'done' && session.outcome ? [outcomeEvent(session)] : session.startedAt ? [startedEvent(session)] : [])));
  }

  async #stop(stops: readonly With<RunStop>[]): Promise<void> {
    // A run whose usage is known has ended by itself: nothing of it goes on.
    const [over, open] = [stops.filter(({ usage }) => usage), stops.filter(({ usage }) => !usage)];
    const [ended, cut] = await Promise.all([over.length > 0 ? this.sessions.ends(over.map(({ runId }) => runId)) : [], open.length > 0 ? this.sessions.stop(open) : []]);
    for (const session of cut) this.turns.stop(session.runId);
    await this.ends.write(stops, [...ended, ...cut]);
    await this.sessions.emit(cut.flatMap((session) => [stoppedEvent(session), ...cancelEvents(session, session.step - 1, session.pending > 0 ? (session.calls ?? []) : [])]));
  }
}

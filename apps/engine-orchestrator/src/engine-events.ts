import { EVENT_BODY_BYTES_MAX, type RunProgressed, type ToolCommanded, type UsageRecorded, type OutgoingEvent } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import type { Session, TurnEntry } from './session.ts';
import type { Command, TurnEnd } from './turn.ts';

type Of = Pick<Session, 'runId' | 'orgId' | 'pool' | 'traceparent'>;

/** The session's first turn begins. */
export function startedEvent(session: Of): OutgoingEvent {
  return { ...progressed(session, { kind: 'started', runId: session.runId, step: 0 }), canWait: true };
}

/** What a session used, after it was stopped. */
export function stoppedEvent(session: Of & Pick<Session, 'step' | 'usage' | 'startedAt'>): OutgoingEvent {
  return progressed(session, { kind: 'stopped', runId: session.runId, step: session.step, usage: session.usage, ...began(session) });
}

/** How a session ended; an outcome that is too large to travel is asked for. */
export function outcomeEvent(session: Of & Pick<Session, 'step' | 'usage' | 'outcome' | 'startedAt'>): OutgoingEvent {
  const { runId, step, usage, outcome } = session;
  return progressed(session, { kind: 'outcome', runId, step, usage, ...began(session), ...(outcome && fits(outcome) && { outcome }) });
}

function began({ startedAt }: Pick<Session, 'startedAt'>): { startedAt?: string } {
  return startedAt ? { startedAt: startedAt.toISOString() } : {};
}

/** The events of a turn's end. */
export function turnEvents(session: Session, end: TurnEnd, recordedAt: Date): OutgoingEvent[] {
  const events = [usageEvent(session, end.entry, recordedAt), ...callEvents(session, session.step, end.commands)];
  if (end.outcome) events.push(outcomeEvent({ ...session, step: session.step + 1, usage: end.usage, outcome: end.outcome }));
  return events;
}

/** Orders to call tools for the turn `step`. */
export function callEvents(session: Of & Pick<Session, 'request'>, step: number, commands: readonly Command[]): OutgoingEvent[] {
  return commands.map(({ callId, tool, arguments: args }) =>
    commanded(session, { command: 'call', callId, runId: session.runId, orgId: session.orgId, pool: session.pool, step, egressAllow: session.request.egressAllow ?? [], ...(fits({ tool, args }) && { tool, arguments: args }) }),
  );
}

/** Orders to give up the calls of the turn `step`. */
export function cancelEvents(session: Of, step: number, callIds: readonly string[]): OutgoingEvent[] {
  return callIds.map((callId) => commanded(session, { command: 'cancel', callId, runId: session.runId, orgId: session.orgId, pool: session.pool, step }));
}

/** A turn's usage as billing counts it. */
export function usageOf(session: Pick<Session, 'runId' | 'orgId' | 'apiKeyId' | 'engine'>, turn: Pick<TurnEntry, 'step' | 'usage' | 'estimated' | 'costMicroUsd'>, recordedAt: Date): UsageRecorded {
  const { runId, orgId, apiKeyId, engine } = session;
  return { ...turn.usage, runId, step: turn.step, orgId, apiKeyId, engine, costMicroUsd: turn.costMicroUsd, ...(turn.estimated && { estimated: true }), recordedAt: recordedAt.toISOString() };
}

function usageEvent(session: Session, turn: TurnEntry, recordedAt: Date): OutgoingEvent {
  return { id: newId('evt'), ref: session.runId, topic: 'usage.recorded', pool: session.pool, key: session.orgId, payload: usageOf(session, turn, recordedAt), traceparent: session.traceparent, canWait: true };
}

function progressed(session: Of, payload: RunProgressed): OutgoingEvent {
  return { id: newId('evt'), ref: session.runId, topic: 'run.progressed', pool: session.pool, key: session.runId, payload, traceparent: session.traceparent };
}

function commanded(session: Of, payload: ToolCommanded): OutgoingEvent {
  return { id: newId('evt'), ref: session.runId, topic: 'tool.commanded', pool: session.pool, key: payload.callId, payload, traceparent: session.traceparent };
}

function fits(body: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(body)) <= EVENT_BODY_BYTES_MAX;
}

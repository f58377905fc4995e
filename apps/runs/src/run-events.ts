import { EVENT_BODY_BYTES_MAX, type RunCommanded, type RunFinished, type RunRequest, type RunStart, type RunStop } from '@nightshift/contracts';
import { type Change, type Effect, type Run } from './run.ts';
import { finishedBody, usageOf } from './run-view.ts';

/** An event that goes with a write of the run. */
export interface RunEventOut {
  readonly topic: 'run.commanded' | 'run.finished';
  readonly payload: RunCommanded | RunFinished;
}

/** The events of a change. `request` only has to be there for a `start`. */
export function eventsOf(change: Change, request: RunRequest | undefined): RunEventOut[] {
  return change.effects.map((effect) => eventOf(change.run, effect, request));
}

function eventOf(run: Run, effect: Effect, request: RunRequest | undefined): RunEventOut {
  const { id: runId, orgId, apiKeyId, pool, engine } = run;
  const ids = { runId, orgId, apiKeyId, pool, engine };
  switch (effect) {
    case 'start':
      return { topic: 'run.commanded', payload: startCommand(ids, request) };
    case 'stop':
      return { topic: 'run.commanded', payload: stopCommand(run, ids) };
    case 'finished':
      return { topic: 'run.finished', payload: finishedEvent(run) };
  }
}

/** The order to the engine to end what it does of a run, and the run's stream. */
function stopCommand(run: Run, ids: Omit<RunStart, 'command' | 'request'>): RunStop {
  const { status, error, answerEncoding, responseContent } = run;
  const usage = usageOf(run);
  return { command: 'stop', ...ids, status, ...(error && { error }), ...(usage && { usage }), answerEncoding, ...(responseContent === 'answer_only' && { answerOnly: true }) };
}

/** The order to the engine to begin; it asks for a request that is too large to travel. */
export function startCommand(ids: Omit<RunStart, 'command' | 'request'>, request: RunRequest | undefined): RunStart {
  return { command: 'start', ...ids, ...(request && fits(request) && { request }) };
}

/** The announcement of a run's end; its body comes along if the run has a callback and the body is small enough to travel. */
export function finishedEvent(run: Run): RunFinished {
  const body = run.callbackUrl === null ? undefined : finishedBody(run);
  return { ...bareEvent(run), ...(body && fits(body) && { body }) };
}

/** The announcement with its body, whoever wants it and however large it is. */
export function wholeEvent(run: Run): RunFinished {
  return { ...bareEvent(run), body: finishedBody(run) };
}

function bareEvent(run: Run): RunFinished {
  return {
    runId: run.id,
    orgId: run.orgId,
    apiKeyId: run.apiKeyId,
    engine: run.engine,
    status: run.status,
    ...(run.callbackUrl !== null && { callbackUrl: run.callbackUrl, egressAllow: [...run.egressAllow] }),
    ...(run.usage && { usage: run.usage }),
    createdAt: run.createdAt.toISOString(),
    ...(run.startedAt && { startedAt: run.startedAt.toISOString() }),
    completedAt: (run.completedAt ?? run.createdAt).toISOString(),
  };
}

function fits(body: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(body)) <= EVENT_BODY_BYTES_MAX;
}

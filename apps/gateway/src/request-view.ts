import type { RequestList, RequestView, RunList, RunStatus, RunView } from '@nightshift/contracts';
import { completionOf } from './agent-chat.ts';

const STATUSES = { queued: 'pending', running: 'processing', succeeded: 'completed', failed: 'failed', timed_out: 'failed', canceled: 'cancelled' } as const satisfies Record<RunStatus, RequestView['status']>;

/** A run as the requests surface shows it: there, what does not apply is null. */
export function requestOf(run: RunView): RequestView {
  const { error } = run;
  return {
    ...summaryOf(run),
    result: run.status === 'succeeded' ? completionOf(run) : null,
    error: error ? { code: error.code, message: error.message } : null,
    startedAt: run.startedAt ?? null,
    completedAt: run.completedAt ?? null,
  };
}

/** A page of runs on the requests surface. */
export function requestsOf({ runs, nextCursor }: RunList): RequestList {
  return { requests: runs.map(summaryOf), nextCursor };
}

function summaryOf({ runId, status, engine, createdAt, updatedAt }: RunList['runs'][number]): RequestList['requests'][number] {
  return { requestId: runId, jobId: runId, status: STATUSES[status], model: engine, engine, createdAt, updatedAt };
}

import type { RunStatus } from '@nightshift/contracts';
import { assertNever, jitterMs } from '@nightshift/std';

/** What an endpoint is told of: `job.canceled` goes to a run's own callback only. */
export type WebhookEvent = 'job.succeeded' | 'job.failed' | 'job.canceled';

/** Whom a delivery goes to; with the run it is the delivery's natural key. */
export const CALLBACK_TARGET = 'callback';

/** A delivery as a worker needs it. */
export interface Delivery {
  readonly orgId: string;
  readonly runId: string;
  readonly event: WebhookEvent;
  readonly url: string;
  /** CIDRs that the organisation may reach besides the operator's. */
  readonly egressAllow: readonly string[];
  /** What is sent, byte for byte, in every attempt. */
  readonly body: Buffer;
  /** Attempts that were made and recorded. */
  readonly attemptCount: number;
  readonly traceparent: string;
}

/** What matters of an attempt for what comes next; it has delivered if `errorCode` is null. */
export interface AttemptResult {
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly retryAfterMs: number | null;
}

/** The delivery's state after an attempt; a pending one is due again after `delayMs`. */
export interface Verdict {
  readonly status: 'delivered' | 'pending' | 'dead';
  readonly delayMs: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** The state of a delivery that too many workers were lost with. */
export function workerLost(claims: number): Verdict {
  return { status: 'dead', delayMs: 0, errorCode: 'worker_lost', errorMessage: `The delivery was given up after ${claims} workers were lost while attempting it.` };
}

/**
 * What follows from attempt number `attempt` (counted from 1): the retry delays in `retrySeconds` are spread by ±20 % with
 * `random` in [0, 1), a later `Retry-After` wins over them, and after the last retry the delivery is dead.
 */
export function judge(result: AttemptResult, attempt: number, retrySeconds: readonly number[], random: number = Math.random()): Verdict {
  const { errorCode, errorMessage, retryAfterMs } = result;
  if (errorCode === null) return { status: 'delivered', delayMs: 0, errorCode, errorMessage: null };
  const seconds = retrySeconds[attempt - 1];
  if (seconds === undefined) return { status: 'dead', delayMs: 0, errorCode, errorMessage };
  return { status: 'pending', delayMs: Math.max(jitterMs(seconds * 1000, random), retryAfterMs ?? 0), errorCode, errorMessage };
}

/** The event of a run that has ended. Throws for a status that is no end. */
export function eventOf(status: RunStatus): WebhookEvent {
  switch (status) {
    case 'succeeded':
      return 'job.succeeded';
    case 'failed':
    case 'timed_out':
      return 'job.failed';
    case 'canceled':
      return 'job.canceled';
    case 'queued':
    case 'running':
      throw new Error(`a run that is ${status} has not ended`);
    default:
      return assertNever(status);
  }
}

/** The endpoint that a callback URL stands for: its origin and path. */
export function endpointOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

// An index holds it; endpoints that begin alike for so long may well share a lane.
const LANE_LENGTH_MAX = 512;

/** Within one lane deliveries wait for each other: the same endpoint of the same organisation. */
export function laneOf(orgId: string, endpoint: string): string {
  return `${orgId} ${endpoint}`.slice(0, LANE_LENGTH_MAX);
}

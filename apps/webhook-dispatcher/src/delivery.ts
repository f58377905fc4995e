import type { RunStatus } from '@nightshift/contracts';
import { assertNever, jitterMs } from '@nightshift/std';
import type { Subscription } from './subscription.ts';

/** What a run's end is called. */
export type RunEvent = 'job.succeeded' | 'job.failed' | 'job.canceled';

/** Whom a delivery of a run's own callback goes to; otherwise that is the subscription. With the run it is the delivery's natural key. */
export const CALLBACK_TARGET = 'callback';

/** A delivery as a worker needs it. */
export interface Delivery {
  readonly orgId: string;
  /** Null for canaries and tests. */
  readonly runId: string | null;
  /** As the endpoint is told: an alias if the subscription goes by it. */
  readonly event: string;
  readonly subscriptionId: string | null;
  /** The subscription as it is now; null without one, and when it was deleted. */
  readonly subscription: Pick<Subscription, 'callbackUrl' | 'egressAllow' | 'secret' | 'previousSecret' | 'headers' | 'retrySeconds' | 'ordered'> | null;
  readonly url: string;
  /** CIDRs that the organisation may reach besides the operator's. */
  readonly egressAllow: readonly string[];
  /** What is sent, byte for byte, in every attempt. */
  readonly body: Buffer;
  /** Attempts that were made and recorded. */
  readonly attemptCount: number;
  /** How many of them were made before its schedule began anew. */
  readonly scheduleFrom: number;
  readonly traceparent: string;
}

/** A delivery to be made. */
export interface NewDelivery extends Pick<Delivery, 'orgId' | 'runId' | 'event' | 'url' | 'egressAllow' | 'subscriptionId' | 'traceparent'> {
  readonly id: string;
  readonly target: string;
  readonly lane: string;
  /** JSON, as it is sent. */
  readonly body: string;
  /** Where an order is kept: when the run ended. */
  readonly completedAt: string | null;
}

/** What matters of an attempt for what comes next; it has delivered if `errorCode` is null. */
export interface AttemptResult {
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly retryAfterMs: number | null;
  readonly status: number | null;
}

/** The delivery's state after an attempt; a pending one is due again after `delayMs`. */
export interface Verdict {
  readonly status: 'delivered' | 'pending' | 'dead' | 'canceled';
  readonly delayMs: number;
  /** How long its whole lane waits; absent if that is left to how the lane fares. */
  readonly laneDelayMs?: number;
  /** True if the endpoint says that it is gone for good. */
  readonly gone?: boolean;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** The state of a delivery whose subscription was deleted. */
export const ORPHANED: Verdict = { status: 'canceled', delayMs: 0, errorCode: null, errorMessage: null };

const LOCKED_DELAY_MS = 60_000;

/** The state of a delivery whose secret cannot be opened: it waits until the operator has given the key back. */
export const LOCKED: Verdict = {
  status: 'pending',
  delayMs: LOCKED_DELAY_MS,
  errorCode: 'secret_locked',
  errorMessage: 'The subscription’s secret cannot be opened with the server’s encryption keys, so nothing was sent.',
};

/** The state of a delivery that too many workers were lost with. */
export function workerLost(claims: number): Verdict {
  return { status: 'dead', delayMs: 0, errorCode: 'worker_lost', errorMessage: `The delivery was given up after ${claims} workers were lost while attempting it.` };
}

const GONE = 410;
const TOO_MANY = 429;
const LANE_DELAY_MS_MAX = 300_000;

/**
 * What follows from attempt number `attempt` (counted from 1): the retry delays in `retrySeconds` are spread by ±20 % with
 * `random` in [0, 1), a later `Retry-After` wins over them, and after the last retry, or with 410, the delivery is dead. An
 * endpoint that asks for fewer requests (429) is left alone as a whole for as long as it says, up to five minutes.
 */
export function judge(result: AttemptResult, attempt: number, retrySeconds: readonly number[], random: number = Math.random()): Verdict {
  const { errorCode, errorMessage, retryAfterMs, status } = result;
  if (errorCode === null) return { status: 'delivered', delayMs: 0, errorCode, errorMessage: null };
  if (status === GONE) return { status: 'dead', delayMs: 0, gone: true, errorCode, errorMessage };
  const seconds = retrySeconds[attempt - 1];
  const lane = status === TOO_MANY && retryAfterMs !== null ? { laneDelayMs: Math.min(retryAfterMs, LANE_DELAY_MS_MAX) } : {};
  if (seconds === undefined) return { status: 'dead', delayMs: 0, ...lane, errorCode, errorMessage };
  return { status: 'pending', delayMs: Math.max(jitterMs(seconds * 1000, random), retryAfterMs ?? 0), ...lane, errorCode, errorMessage };
}

/** The event of a run that has ended. Throws for a status that is no end. */
export function eventOf(status: RunStatus): RunEvent {
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

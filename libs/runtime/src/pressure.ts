import { type EventLoopUtilization, performance } from 'node:perf_hooks';

const SAMPLE_MS = 25;
const BUSY_ABOVE = 0.9;
const REQUESTS_MIN = 8;
const HOLD_MS = 250;

let requests = 0;
let since: EventLoopUtilization = performance.eventLoopUtilization();
let sampledAt = performance.now();
let pressedUntil = 0;

/** A client's request has arrived; to be paired with `requestEnded`. */
export function requestBegan(): void {
  requests += 1;
}

export function requestEnded(): void {
  requests -= 1;
}

/** True while clients wait in this process and it has hardly any idle time: background work then holds less, so that they are answered first. */
export function isPressed(): boolean {
  const now = performance.now();
  if (now - sampledAt >= SAMPLE_MS) {
    const current = performance.eventLoopUtilization();
    const isBusy = performance.eventLoopUtilization(current, since).utilization > BUSY_ABOVE;
    if (isBusy && requests >= REQUESTS_MIN) pressedUntil = now + HOLD_MS;
    since = current;
    sampledAt = now;
  }
  return now < pressedUntil;
}

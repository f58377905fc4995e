import { type EventLoopUtilization, performance } from 'node:perf_hooks';

const SAMPLE_MS = 50;
const BUSY_ABOVE = 0.9;

let since: EventLoopUtilization = performance.eventLoopUtilization();
let sampledAt = performance.now();
let busy = false;

/** True while the process has hardly been idle for the last 50 ms or more: more work at once would only make everything slower. */
export function isBusy(): boolean {
  const now = performance.now();
  if (now - sampledAt < SAMPLE_MS) return busy;
  const current = performance.eventLoopUtilization();
  busy = performance.eventLoopUtilization(current, since).utilization > BUSY_ABOVE;
  since = current;
  sampledAt = now;
  return busy;
}

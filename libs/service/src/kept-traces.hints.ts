import type { Hints } from '@nightshift/run-stream';
import { keepTrace, onTraceKept } from '@nightshift/runtime';

const CHANNEL = 'nightshift.trace';

/** Processes tell each other of traces that have failed, so that each keeps its part although the trace was not sampled. */
export function keepTracesTogether(hints: Hints): void {
  hints.listen(CHANNEL, keepTrace);
  onTraceKept((traceId) => hints.send(CHANNEL, traceId));
}

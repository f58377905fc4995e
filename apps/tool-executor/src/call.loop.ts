import type { ToolResult } from '@nightshift/contracts';
import { type Database, type Held, patiently, Worker, type WorkObserver } from '@nightshift/postgres';
import { type Hints, workChannel } from '@nightshift/run-stream';
import { type Logger, metrics, traceIdOf } from '@nightshift/runtime';
import { brokenOff } from './call.ts';
import { CALLS } from './call.sql.ts';
import type { CallStore, ClaimedCall } from './call.store.ts';
import { type CallKit, makeCall } from './call.tool.ts';

/** What the loop works with. */
export interface CallLoopOptions {
  readonly db: Database;
  readonly calls: CallStore;
  readonly kit: CallKit;
  readonly hints: Hints;
  readonly pool: string;
  readonly slots: number;
  readonly laneMax: number;
  readonly leaseMs: number;
  readonly observer: WorkObserver;
  readonly log: Logger;
}

const CANCEL_CHANNEL = 'nightshift.cancel';

/** Makes tool calls under a lease, as many as there are slots. */
export class CallLoop {
  readonly #options: CallLoopOptions;
  readonly #worker: Worker<ClaimedCall>;
  readonly #channel: string;

  constructor(options: CallLoopOptions) {
    this.#options = options;
    this.#channel = workChannel('tool_call', options.pool);
    const { db, pool, slots, laneMax, leaseMs, observer } = options;
    this.#worker = new Worker<ClaimedCall>({ db, table: CALLS, pool, slots, laneMax, leaseMs, observer, run: (call, held) => this.#run(call, held), announce: () => options.hints.send(this.#channel, '') });
  }

  start(): void {
    this.#options.hints.listen(this.#channel, () => this.#worker.wake());
    this.#options.hints.listen(CANCEL_CHANNEL, (id) => this.#worker.abort(id, 'canceled'));
    this.#worker.startLoop();
  }

  /** Runs a statement that inserts calls, letting it claim as many as there are free slots; the rest is hinted at. */
  begin(wanted: number, write: (granted: number) => Promise<(ClaimedCall & { claimed: boolean })[]>): Promise<readonly ClaimedCall[]> {
    return this.#worker.begin(wanted, write);
  }

  /** Aborts a call that was canceled, wherever it runs. */
  cancel(id: string): void {
    this.#worker.abort(id, 'canceled');
    this.#options.hints.send(CANCEL_CHANNEL, id);
  }

  refuse(): void {
    this.#worker.refuse();
  }

  drain(hurry: AbortSignal): Promise<void> {
    return this.#worker.drain(hurry);
  }

  async #run(call: ClaimedCall, held: Held): Promise<void> {
    const startedAt = performance.now();
    const ids = { runId: call.runId, orgId: call.orgId, callId: call.id, traceId: call.traceparent ? traceIdOf(call.traceparent) : undefined };
    let result: ToolResult | undefined;
    try {
      const made = await makeCall(this.#options.kit, call, held);
      result = made;
      const durationMs = Math.round(performance.now() - startedAt);
      const outcome = made.isError ? (made.errorCode ?? 'error') : 'ok';
      metrics.toolDuration.observe({ outcome, pool: call.pool }, durationMs / 1000, call.traceparent ?? undefined);
      const { laneWaits } = await patiently(() => this.#options.calls.commit({ call, result: made }), held);
      if (laneWaits) this.#worker.wake();
      this.#options.log.info({ ...ids, attempt: call.attempts, durationMs, queueAgeMs: Math.round(call.queueAgeMs), status: made.isError ? 'error' : 'ok', ...(made.errorCode !== undefined && { errorCode: made.errorCode }) }, 'tool call');
    } catch (err) {
      if (!held.signal.aborted) throw err;
      // The row may be handed back as if nothing had happened; who was canceled or replaced is fenced.
      const known = result ?? brokenOff(call);
      if (known) await this.#options.calls.commit({ call, result: known });
      this.#worker.wake();
      this.#options.log.info({ ...ids, status: 'aborted', reason: String((held.signal.reason as Error).message) }, 'tool call');
    }
  }
}

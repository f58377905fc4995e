import { type SealedFunctionTool, ToolCredentials, type ToolResult } from '@nightshift/contracts';
import type { Egress } from '@nightshift/http';
import { type Database, type Held, isInfrastructure, Worker, type WorkObserver } from '@nightshift/postgres';
import { type Hints, workChannel } from '@nightshift/run-stream';
import { type Logger, metrics, traceIdOf, withSpan } from '@nightshift/runtime';
import { backoffMs, unseal, UnsealError } from '@nightshift/std';
import { brokenOff, refusal } from './call.ts';
import { CALLS } from './call.sql.ts';
import type { CallStore, ClaimedCall } from './call.store.ts';
import { callFunction } from './function.tool.ts';

/** What the loop works with. */
export interface CallLoopOptions {
  readonly db: Database;
  readonly calls: CallStore;
  readonly egress: Egress;
  readonly hints: Hints;
  readonly sealPrivateKey: string;
  readonly pool: string;
  readonly slots: number;
  readonly laneMax: number;
  readonly leaseMs: number;
  readonly observer: WorkObserver;
  readonly log: Logger;
}

const CANCEL_CHANNEL = 'nightshift.cancel';
const COMMIT_BACKOFF = { firstMs: 50, maxMs: 2000 };

/** Makes tool calls under a lease, as many as there are slots. */
export class CallLoop {
  readonly #options: CallLoopOptions;
  readonly #worker: Worker<ClaimedCall>;
  readonly #channel: string;

  constructor(options: CallLoopOptions) {
    this.#options = options;
    this.#channel = workChannel('tool_call', options.pool);
    const { db, pool, slots, laneMax, leaseMs, observer } = options;
    this.#worker = new Worker<ClaimedCall>({ db, table: CALLS, pool, slots, laneMax, leaseMs, observer, run: (call, held) => this.#run(call, held) });
  }

  start(): void {
    this.#options.hints.listen(this.#channel, () => this.#worker.wake());
    this.#options.hints.listen(CANCEL_CHANNEL, (id) => this.#worker.abort(id, 'canceled'));
    this.#worker.startLoop();
  }

  /** Runs a statement that inserts calls, letting it claim as many as there are free slots; the rest is hinted at. */
  async begin(wanted: number, write: (granted: number) => Promise<(ClaimedCall & { claimed: boolean })[]>): Promise<readonly ClaimedCall[]> {
    const granted = this.#worker.reserve(wanted);
    let rows: (ClaimedCall & { claimed: boolean })[] = [];
    try {
      rows = await write(granted);
    } finally {
      this.#worker.start(rows.filter((row) => row.claimed), granted);
    }
    if (rows.some((row) => !row.claimed)) {
      this.#worker.wake();
      this.#options.hints.send(this.#channel, '');
    }
    return rows;
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
      result = refusal(call) ?? (await this.#call(call, held));
      const durationMs = Math.round(performance.now() - startedAt);
      const outcome = result.isError ? (result.errorCode ?? 'error') : 'ok';
      metrics.toolDuration.observe({ outcome }, durationMs / 1000);
      await this.#commit(call, result, held);
      this.#options.log.info({ ...ids, attempt: call.attempts, durationMs, queueAgeMs: Math.round(call.queueAgeMs), status: result.isError ? 'error' : 'ok', ...(result.errorCode !== undefined && { errorCode: result.errorCode }) }, 'tool call');
    } catch (err) {
      if (!held.signal.aborted) throw err;
      // The row may be handed back as if nothing had happened; who was canceled or replaced is fenced.
      const known = result ?? brokenOff(call);
      if (known) await this.#options.calls.commit({ call, result: known });
      this.#options.log.info({ ...ids, status: 'aborted', reason: String((held.signal.reason as Error).message) }, 'tool call');
    }
  }

  async #call(call: ClaimedCall, held: Held): Promise<ToolResult> {
    const { tool } = call;
    if (tool.type !== 'function') throw new Error(`cannot call a ${tool.type} tool`);
    const { egress, sealPrivateKey } = this.#options;
    const credentials = open(tool, sealPrivateKey, call.orgId);
    if (!credentials) return { isError: true, errorCode: 'credentials_unreadable', content: 'The tool’s stored credentials cannot be opened any more; create a new run.' };
    const opened = { name: tool.name, url: tool.url, method: tool.method, timeoutMs: tool.timeoutMs, headers: credentials.headers ?? {}, defaults: credentials.defaults ?? {} };
    const attributes = { 'nightshift.run_id': call.runId, 'nightshift.call_id': call.id, 'gen_ai.tool.name': tool.name };
    return withSpan('tool call', { parent: call.traceparent, kind: 'client', attributes }, (traceparent) =>
      callFunction(egress, { tool: opened, arguments: call.arguments, callId: call.id, attempt: call.attempts, traceparent, signal: held.signal, allow: call.egressAllow }),
    );
  }

  /** The effect has happened: its result waits for a database that is away, for as long as the call is ours. */
  async #commit(call: ClaimedCall, result: ToolResult, held: Held): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#options.calls.commit({ call, result });
        return;
      } catch (err) {
        if (!isInfrastructure(err) || held.signal.aborted) throw err;
        await new Promise((resolve) => setTimeout(resolve, backoffMs(COMMIT_BACKOFF, attempt)));
      }
    }
  }
}

function open(tool: SealedFunctionTool, privateKey: string, orgId: string): ToolCredentials | undefined {
  if (tool.sealed === undefined) return {};
  try {
    return ToolCredentials.parse(JSON.parse(unseal(tool.sealed, privateKey, orgId)));
  } catch (err) {
    if (err instanceof UnsealError) return undefined;
    throw err;
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import type { OutgoingEvent, UsageRecorded } from '@nightshift/contracts';
import { type Database, flusher, isInfrastructure, outboxEvent, outboxJson, type Relay } from '@nightshift/postgres';
import { FORGET_CALLS, INSERT_CALLS } from './chat-usage.sql.ts';

/** What one plain call has used, as billing counts it. */
export type PlainCall = Pick<UsageRecorded, 'orgId' | 'apiKeyId' | 'engine' | 'inputTokens' | 'outputTokens' | 'cachedInputTokens' | 'costMicroUsd' | 'estimated'> & {
  readonly callId: string;
  readonly pool: string;
  readonly traceparent: string;
};

interface Row {
  readonly call: PlainCall;
  readonly event: OutgoingEvent;
}

const ROWS_MAX = 500;
// The answer is out already; what ends within this time is stored by one statement.
const LINGER_MS = 50;
const RETRY_MS = 500;

/** Usage of plain calls, each counted once by its id. */
export class ChatUsageStore {
  readonly #db: Database;
  readonly #relay: Relay;
  readonly #onTrouble: (err: unknown) => void;
  readonly #insert: (row: Row) => Promise<void>;
  readonly #storing = new Set<Promise<void>>();

  /** `onTrouble` hears why a call could not be counted yet, or not at all. */
  constructor(db: Database, relay: Relay, onTrouble: (err: unknown) => void) {
    this.#db = db;
    this.#relay = relay;
    this.#onTrouble = onTrouble;
    this.#insert = flusher<Row>((rows) => this.#insertMany(rows), ROWS_MAX, LINGER_MS);
  }

  /** Stores what a call has used, for as long as it takes the database to be there. Nobody waits for it. */
  record(call: PlainCall): void {
    const stored = this.#store({ call, event: eventOf(call, new Date()) }).finally(() => this.#storing.delete(stored));
    this.#storing.add(stored);
  }

  /** Waits for what is being stored. */
  async stored(): Promise<void> {
    await Promise.all(this.#storing);
  }

  /** Deletes a batch of calls of long ago; returns how many. */
  async forget(days: number, limit: number): Promise<number> {
    return (await this.#db.query(FORGET_CALLS, [days, limit])).length;
  }

  async #store(row: Row): Promise<void> {
    for (;;) {
      try {
        return await this.#insert(row);
      } catch (err) {
        this.#onTrouble(err);
        if (!isInfrastructure(err)) return;
      }
      await delay(RETRY_MS);
    }
  }

  async #insertMany(rows: readonly Row[]): Promise<undefined[]> {
    const inputs = rows.map(({ call: { callId, orgId, apiKeyId, engine, inputTokens, outputTokens, cachedInputTokens, costMicroUsd, estimated } }) => ({
      callId,
      orgId,
      apiKeyId,
      engine,
      body: { step: 0, usage: { inputTokens, outputTokens, cachedInputTokens, toolCalls: {} }, costMicroUsd, ...(estimated && { estimated }) },
    }));
    const written = new Set((await this.#db.query<{ id: string }>(INSERT_CALLS, [JSON.stringify(inputs), outboxJson(rows.map(({ event }) => event))])).map(({ id }) => id));
    this.#relay.hand(rows.flatMap(({ event }) => (written.has(event.ref) ? [event] : [])));
    return rows.map(() => undefined);
  }
}

function eventOf({ callId, pool, traceparent, ...used }: PlainCall, recordedAt: Date): OutgoingEvent {
  const payload: UsageRecorded = { ...used, runId: callId, step: 0, toolCalls: {}, recordedAt: recordedAt.toISOString() };
  return outboxEvent({ ref: callId, topic: 'usage.recorded', pool, key: used.orgId, payload, traceparent, canWait: true });
}

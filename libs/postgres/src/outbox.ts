import type { OutgoingEvent } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import { type Database, hotStatement, isInfrastructure, type Statement, statement } from './database.ts';
import { flusher } from './flush.ts';

/** An event to commit with the row `ref`. */
export function outboxEvent(event: Omit<OutgoingEvent, 'id'>): OutgoingEvent {
  return { id: newId('evt'), ...event };
}

/**
 * The part of a commit that stores its events: a CTE named `events`, fed by parameter `$n` (see `outboxJson`), which
 * keeps only the events whose `ref` is in the CTE `written` (a column of that name).
 */
export function outboxCte(schema: string, parameter: string, written: string): string {
  return `events as (
    insert into ${schema}.outbox (id, topic, pool, key, payload, traceparent)
    select e.id, e.topic, e.pool, e.key, e.payload, e.traceparent
    from json_to_recordset(${parameter}::json) as e(id text, ref text, topic text, pool text, key text, payload json, traceparent text)
    where e.ref in (select ref from ${written})
  )`;
}

/** The value of the parameter that `outboxCte` reads. */
export function outboxJson(events: readonly OutgoingEvent[]): string {
  return JSON.stringify(events);
}

/** Publishes one event; resolves when the bus has it for good. */
export type Publish = (event: Omit<OutgoingEvent, 'ref'>) => Promise<void>;

const REMOVE_ROWS_MAX = 1000;
const REMOVE_LINGER_MS = 200;
const SWEEP_AGE_MS = 2000;
const SWEEP_ROWS = 500;
const SWEEP_EVERY_MS = 1000;
const SWEEP_CLAIM_MS = 3000;
/** How long events that can wait do so at most. */
const GATHER_MS = 25;
/** More than the bus takes in a moment, and few enough to keep in memory. */
const IN_FLIGHT_MAX = 5000;

/**
 * Publishes committed events and deletes their rows. A commit hands its events over in memory; rows that nobody handed
 * over (their process died, or the bus was away) are swept up once a second.
 */
export class Relay {
  readonly #publish: Publish;
  readonly #db: Database;
  readonly #remove: (id: string) => Promise<void>;
  readonly #sweepStatement: Statement;
  readonly #releaseStatement: Statement;
  readonly #onTrouble: (err: unknown) => void;
  readonly #giveUp: (event: Omit<OutgoingEvent, 'ref'>, err: unknown) => Promise<boolean>;
  readonly #inFlight = new Map<string, Promise<boolean>>();
  readonly #waiting: OutgoingEvent[] = [];
  #leaving: NodeJS.Timeout | undefined;
  /** The last row that sweeps have come to; each row of a topic that the bus refuses holds up none behind it. */
  #sweptTo = '';
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** `giveUp` keeps an event that the bus will never take somewhere else, and answers true; its row is then removed. */
  constructor(options: { db: Database; schema: string; publish: Publish; onTrouble: (err: unknown) => void; giveUp?: (event: Omit<OutgoingEvent, 'ref'>, err: unknown) => Promise<boolean> }) {
    const { schema } = options;
    this.#db = options.db;
    this.#publish = options.publish;
    this.#onTrouble = options.onTrouble;
    this.#giveUp = options.giveUp ?? (() => Promise.resolve(false));
    const removeStatement = hotStatement(`${schema}.outbox_remove`, `delete from ${schema}.outbox where id = any($1::text[])`);
    this.#remove = flusher<string>(async (ids) => {
      await options.db.query(removeStatement, [[...ids].sort()]);
      return ids.map(() => undefined);
    }, REMOVE_ROWS_MAX, REMOVE_LINGER_MS);
    this.#sweepStatement = statement(
      `${schema}.outbox_sweep`,
      `update ${schema}.outbox o set claimed_until = now() + $2 * interval '1 ms'
       from (select id from ${schema}.outbox
             where created_at < now() - $1 * interval '1 ms' and (claimed_until is null or claimed_until < now()) and id <> all($3::text[]) and id > $4
             order by id limit ${SWEEP_ROWS} for update skip locked) due
       where o.id = due.id
       returning o.id, o.topic, o.pool, o.key, o.payload, o.traceparent`,
    );
    this.#releaseStatement = statement(`${schema}.outbox_release`, `update ${schema}.outbox set claimed_until = null where id = any($1::text[])`);
  }

  /**
   * Events of a commit that has succeeded. Those that can wait go with the next ones that cannot, or after a moment. While thousands
   * are on their way already, new ones wait in the outbox and are swept up.
   */
  hand(events: readonly OutgoingEvent[]): void {
    for (const event of events) this.#waiting.push(event);
    if (events.some(({ canWait }) => !canWait)) this.#leave();
    else if (events.length > 0) this.#leaving ??= setTimeout(() => this.#leave(), GATHER_MS);
  }

  #leave(): void {
    clearTimeout(this.#leaving);
    this.#leaving = undefined;
    for (const event of this.#waiting.splice(0)) if (this.#inFlight.size < IN_FLIGHT_MAX && !this.#inFlight.has(event.id)) void this.#send(event);
  }

  #send(event: Omit<OutgoingEvent, 'ref'>): Promise<boolean> {
    const sent = this.#publish(event)
      .then(() => this.#remove(event.id))
      .then(() => true)
      .catch(async (err: unknown) => {
        if (await this.#giveUp(event, err)) return this.#remove(event.id).then(() => true);
        this.#onTrouble(err);
        return false;
      })
      .catch((err: unknown) => {
        this.#onTrouble(err);
        return false;
      })
      .finally(() => this.#inFlight.delete(event.id));
    this.#inFlight.set(event.id, sent);
    return sent;
  }

  /** Begins sweeping, at once and then every second. */
  start(): void {
    const tick = (): void => {
      this.#sweeping = this.sweep()
        .catch((err: unknown) => {
          if (!isInfrastructure(err)) this.#onTrouble(err);
        })
        .finally(() => {
          if (this.#timer) this.#timer = setTimeout(tick, SWEEP_EVERY_MS);
        });
    };
    this.#timer = setTimeout(tick, 0);
  }

  /**
   * Publishes what has waited for two seconds or more, batch by batch to the end of the outbox. Where the bus takes nothing of a
   * batch it may be away: the next sweep goes on behind that batch, and the one after the end begins with the oldest again.
   */
  async sweep(): Promise<void> {
    for (;;) {
      // What is on its way already may yet be refused.
      const rows = await this.#db.query<Omit<OutgoingEvent, 'ref'>>(this.#sweepStatement, [SWEEP_AGE_MS, SWEEP_CLAIM_MS, [...this.#inFlight.keys()], this.#sweptTo]);
      const sent = await Promise.all(rows.map((row) => !this.#inFlight.has(row.id) && this.#send(row)));
      const open = rows.filter((_, index) => !sent[index]).map((row) => row.id);
      if (open.length > 0) await this.#db.query(this.#releaseStatement, [open.sort()]);
      const isAtEnd = rows.length < SWEEP_ROWS;
      this.#sweptTo = isAtEnd ? '' : rows.reduce((last, { id }) => (id > last ? id : last), '');
      if (isAtEnd || open.length === rows.length || this.#isStopped) return;
    }
  }

  /** Stops sweeping, after the batch that it is at, and waits for what is being published. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#sweeping;
    this.#leave();
    await Promise.all(this.#inFlight.values());
  }
}

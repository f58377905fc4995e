import type { DeadLetter, DeadLetterCommand, ListDeadLetters } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import { type Database, type Statement, statement } from '@nightshift/postgres';
import type { RawMessage } from './message.ts';

interface Row {
  id: string;
  topic: string;
  key: string;
  payload: string;
  headers: Record<string, string>;
  error: string;
  attempts: number;
  createdAt: Date;
}

const PAGE = 100;
const PAYLOAD_SHOWN_MAX = 4096;

/** The dead letters of one service, in its own schema. */
export class DeadLetterStore {
  readonly #db: Database;
  readonly #service: string;
  readonly #statements: Record<'add' | 'list' | 'matching' | 'remove' | 'count', Statement>;

  constructor(db: Database, schema: string, service: string) {
    this.#db = db;
    this.#service = service;
    const table = `${schema}.dead_letters`;
    const filter = `($1::text is null or topic = $1) and ($2::text[] is null or id = any($2))`;
    const columns = `id, topic, key, payload, headers, error, attempts, created_at as "createdAt"`;
    this.#statements = {
      add: statement(`${schema}.dead_letter_add`, `insert into ${table} (id, event_id, topic, key, payload, headers, error, attempts) values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (event_id, topic) do update set error = excluded.error, attempts = dead_letters.attempts + excluded.attempts`),
      list: statement(`${schema}.dead_letter_list`, `select ${columns} from ${table} where ($1::text is null or topic = $1) and ($2::text is null or id < $2) order by id desc limit ${PAGE + 1}`),
      matching: statement(`${schema}.dead_letter_matching`, `select ${columns}, event_id as "eventId" from ${table} where ${filter} and id > $3 order by id limit ${PAGE}`),
      remove: statement(`${schema}.dead_letter_remove`, `delete from ${table} where ${filter} returning id`),
      count: statement(`${schema}.dead_letter_count`, `select count(*)::int as count from ${table} where ${filter}`),
    };
  }

  async add(letter: { message: RawMessage; error: string; attempts: number }): Promise<void> {
    const { message } = letter;
    const payload = typeof message.value === 'string' ? message.value : JSON.stringify(message.value);
    await this.#db.query(this.#statements.add, [newId('dlq'), storable(message.id), message.topic, storable(message.key), storable(payload), JSON.stringify(message.headers), storable(letter.error), letter.attempts]);
  }

  async list(query: ListDeadLetters): Promise<{ deadLetters: DeadLetter[]; nextCursor: string | null }> {
    const rows = await this.#db.query<Row>(this.#statements.list, [query.topic ?? null, query.cursor ?? null]);
    const page = rows.slice(0, PAGE);
    const deadLetters = page.map((row) => ({ ...row, payload: row.payload.slice(0, PAYLOAD_SHOWN_MAX), service: this.#service, createdAt: row.createdAt.toISOString() }));
    return { deadLetters, nextCursor: rows.length > PAGE ? (page.at(-1)?.id ?? null) : null };
  }

  async count(filter: DeadLetterCommand['filter']): Promise<number> {
    const [row] = await this.#db.query<{ count: number }>(this.#statements.count, [filter.topic ?? null, filter.ids ?? null]);
    return row?.count ?? 0;
  }

  /** Forgets what matches; returns how many. */
  async drop(filter: DeadLetterCommand['filter']): Promise<number> {
    return (await this.#db.query(this.#statements.remove, [filter.topic ?? null, filter.ids ?? null])).length;
  }

  /** The matching messages, oldest first, after the id `after`. */
  async matching(filter: DeadLetterCommand['filter'], after: string): Promise<{ id: string; message: RawMessage }[]> {
    const rows = await this.#db.query<Row & { eventId: string }>(this.#statements.matching, [filter.topic ?? null, filter.ids ?? null, after]);
    return rows.map((row) => ({ id: row.id, message: { id: row.eventId, topic: row.topic, key: row.key, value: row.payload, headers: row.headers } }));
  }
}

/** Text columns hold neither NUL nor lone surrogates. */
function storable(text: string): string {
  return text.replaceAll('\u0000', '\uFFFD').toWellFormed();
}

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { InternalCreateRun, OutgoingEvent } from '@nightshift/contracts';
import { connect, migrate, Relay, statement } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { testDatabase } from '@nightshift/testing';
import { RunReader } from '../src/run-reader.store.ts';
import { RunStore } from '../src/run.store.ts';

const folder = new URL('../prisma/migrations/', import.meta.url);
const migration = readFileSync(new URL('0001_init/migration.sql', folder));

export const usage = { inputTokens: 7, outputTokens: 3, cachedInputTokens: 0, toolCalls: {} };

/** A run as the gateway asks for it. */
export function newRun(more: Partial<InternalCreateRun> = {}): InternalCreateRun {
  return {
    runId: newId('run'),
    orgId: 'org_1',
    apiKeyId: 'key_1',
    pool: 'shared',
    engine: 'tim',
    request: { instructions: 'do it', tools: [] },
    timeoutMs: 60_000,
    responseContent: 'full',
    answerEncoding: 'object',
    traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
    ...more,
  };
}

/** Runs in a database of their own. What is committed is published to `published`. */
export async function runsStage() {
  const template = `runs ${createHash('sha256').update(migration).digest('hex')}`;
  const database = await testDatabase({ template, migrate: async (url) => void (await migrate({ url, schema: 'runs', folder: fileURLToPath(folder) })) });
  const db = connect({ url: database.url, max: 8, name: 'test', onError: (err) => console.error(err) });
  const published: Omit<OutgoingEvent, 'ref'>[] = [];
  const relays: Relay[] = [];

  /** A store as one replica has it. */
  const store = (): RunStore => {
    const relay = new Relay({ db, schema: 'runs', publish: async (event) => void published.push(event), onTrouble: (err) => console.error(err), giveUp: () => Promise.resolve(false) });
    relays.push(relay);
    return new RunStore(db, relay);
  };

  return {
    db,
    store,
    reader: new RunReader(db),
    sql: async <R extends object>(text: string, values: unknown[] = []): Promise<R[]> => (await db.pool.query<R>(text, values)).rows,
    /** The events published of a run, in short: command or status. */
    events: async (runId: string) => {
      await Promise.all(relays.map((relay) => relay.stop()));
      return published.filter((event) => event.key === runId).map(({ topic, payload }) => `${topic} ${(payload as { command?: string }).command ?? (payload as { status: string }).status}`);
    },
    clear: async () => {
      await Promise.all(relays.splice(0).map((relay) => relay.stop()));
      published.splice(0);
      await db.query(statement('test.clear', 'truncate runs.runs, runs.idempotency_keys, runs.outbox'));
    },
    close: async () => {
      await db.close();
      await database.drop();
    },
  };
}

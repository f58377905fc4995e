import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { OutgoingEvent, RunOutcome, SealedTool, ToolResult } from '@nightshift/contracts';
import { InternalClient } from '@nightshift/http';
import { claimedColumns, connect, type Database, migrate, Relay, statement } from '@nightshift/postgres';
import type { Hints } from '@nightshift/run-stream';
import { newId } from '@nightshift/std';
import { testDatabase, waitFor } from '@nightshift/testing';
import { startedEvent, turnEvents } from '../src/engine-events.ts';
import { FrameLoop } from '../src/frame.loop.ts';
import { FrameStore } from '../src/frame.store.ts';
import { SESSIONS } from '../src/session.sql.ts';
import { type ArrivedResult, type ClaimedSession, type NewSession, SessionStore } from '../src/session.store.ts';
import type { TurnEnd } from '../src/turn.ts';

const folder = new URL('../prisma/migrations/', import.meta.url);
const migrations = readdirSync(folder).map((name) => readFileSync(new URL(`${name}/migration.sql`, folder), 'utf8'));

export const LEASE_MS = 5000;
export const usage = { inputTokens: 10, outputTokens: 5, cachedInputTokens: 0, toolCalls: {} };
export const tool = (name: string, url = 'https://example.com'): SealedTool => ({ type: 'function', name, url: `${url}/${name}`, method: 'POST', parameters: { type: 'object', properties: {} }, retry: 'safe', timeoutMs: 1000, hidden: [] });

export const newSession = (more: Partial<NewSession> = {}): NewSession => ({
  runId: newId('run'),
  orgId: 'org_1',
  apiKeyId: 'key_1',
  pool: 'shared',
  engine: 'tim',
  request: { instructions: 'do it', tools: [tool('lookup')] },
  traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
  claim: true,
  ...more,
});

/** A client of tool-executor for runs that have no MCP tools: they never ask. */
export const nobody = new InternalClient(() => Promise.reject(new Error('tool-executor was asked')), 'token');

/** Frames as an engine writes them. */
export const framesOn = (db: Database, hints: Hints): FrameLoop => new FrameLoop(new FrameStore(db), hints);

/** The end of a turn that called tools, or answered. */
export function turnEnd(session: ClaimedSession, { calls = [] as readonly string[], answer = undefined as string | undefined, resultBytesMax = 1_000_000 } = {}): TurnEnd {
  const entry = { kind: 'turn' as const, step: session.step, content: answer ?? '', usage, costMicroUsd: 1, calls: calls.map((callId) => ({ callId, modelCallId: callId, name: 'lookup', arguments: '{}' })) };
  const outcome: RunOutcome | undefined = answer === undefined ? undefined : { status: 'succeeded', result: { answer } };
  return { entry, results: [], commands: calls.map((callId) => ({ callId, tool: tool('lookup'), arguments: {} })), resultBytesMax, usage, outcome };
}

export const arrived = (runId: string, callId: string, more: Partial<ArrivedResult> = {}): ArrivedResult => ({ runId, callId, step: 0, result: { isError: false, content: callId } satisfies ToolResult, claim: false, ...more });

export interface SessionRow {
  state: string;
  step: number;
  pending: number;
  epoch: number;
  attempts: number;
  held: boolean;
  due: boolean | null;
  inMs: number | null;
  checkCount: number;
  upstreamFailures: number;
  started: boolean;
}

/** Sessions in a database of their own. What is committed is published to `published`. */
export async function engineStage() {
  const template = `engine ${createHash('sha256').update(migrations.join()).digest('hex')}`;
  const database = await testDatabase({ template, migrate: async (url) => void (await migrate({ url, schema: 'engine', folder: fileURLToPath(folder) })) });
  const db = connect({ url: database.url, max: 8, name: 'test', onError: (err) => console.error(err) });
  const published: Omit<OutgoingEvent, 'ref'>[] = [];
  const relays: Relay[] = [];
  const store = (): SessionStore => {
    const relay = new Relay({ db, schema: 'engine', publish: async (event) => void published.push(event), onTrouble: (err) => console.error(err), giveUp: () => Promise.resolve(false) });
    relays.push(relay);
    return new SessionStore(db, relay, LEASE_MS);
  };

  return {
    db,
    store,
    published,
    /** A session whose first turn this process makes. */
    async begun(sessions: SessionStore, more: Partial<NewSession> = {}): Promise<ClaimedSession> {
      const session = newSession(more);
      const [row] = await sessions.insert([session], [startedEvent(session)]);
      return row!;
    },
    /** The same, after its first turn called the tools `calls`. */
    async waiting(sessions: SessionStore, calls: readonly string[]): Promise<ClaimedSession> {
      const session = await this.begun(sessions);
      const end = turnEnd(session, { calls });
      await sessions.commit({ session, end, next: 'tools', events: turnEvents(session, end, new Date()) });
      return { ...session, step: 1, pending: calls.length };
    },
    /** Claims a session as a worker does. */
    async claim(runId: string): Promise<ClaimedSession> {
      const claim = statement('test.claim', `update engine.sessions t set lease_until = now() + interval '5 s', epoch = t.epoch + 1, attempts = t.attempts + 1 where run_id = $1 returning ${claimedColumns(SESSIONS)}, 0 as "queueAgeMs"`);
      return (await db.query<ClaimedSession>(claim, [runId]))[0]!;
    },
    async row(runId: string): Promise<SessionRow | undefined> {
      const text = `select state, step, pending, epoch, attempts, lease_until is not null as held, due_at <= now() as due, (extract(epoch from due_at - now()) * 1000)::float8 as "inMs",
        check_count as "checkCount", upstream_failures as "upstreamFailures", started_at is not null as started from engine.sessions where run_id = $1`;
      return (await db.query<SessionRow>(statement('test.row', text), [runId]))[0];
    },
    sql: async <R extends object>(text: string, values: unknown[] = []): Promise<R[]> => (await db.pool.query<R>(text, values)).rows,
    /** The events published of a run, in short. */
    async events(runId: string): Promise<string[]> {
      // A commit is seen by others before it has returned to whoever publishes it.
      await waitFor(async () => (await db.pool.query('select 1 from engine.outbox limit 1')).rows.length === 0);
      await Promise.all(relays.map((relay) => relay.stop()));
      return published.flatMap(({ topic, payload }) => {
        const { runId: of, kind, command } = payload as { runId: string; kind?: string; command?: string };
        return of === runId ? [[topic, kind ?? command].filter((part) => part !== undefined).join(' ')] : [];
      });
    },
    clear: async () => {
      await Promise.all(relays.splice(0).map((relay) => relay.stop()));
      published.splice(0);
      await db.query(statement('test.clear', 'truncate engine.sessions, engine.journal, engine.outbox, engine.frames, engine.frame_packs'));
    },
    close: async () => {
      await db.close();
      await database.drop();
    },
  };
}

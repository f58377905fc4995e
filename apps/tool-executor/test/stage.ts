import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { OutgoingEvent, SealedFunctionTool, ToolResult } from '@nightshift/contracts';
import { createEgress, InternalClient } from '@nightshift/http';
import { connect, type Database, migrate, Relay, statement } from '@nightshift/postgres';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog } from '@nightshift/runtime';
import { generateSealKeyPair, newId } from '@nightshift/std';
import { testDatabase } from '@nightshift/testing';
import { laneOf } from '../src/call.ts';
import { CallConsumer } from '../src/call.consumer.ts';
import { CallLoop } from '../src/call.loop.ts';
import { CallStore, type NewCall } from '../src/call.store.ts';
import { Documents } from '../src/documents.client.ts';
import { createMcpServers } from '../src/mcp.client.ts';
import { Outbound } from '../src/outbound.client.ts';
import { PlatformTools } from '../src/platform.tool.ts';
import { SearchClient } from '../src/search.client.ts';

const folder = new URL('../prisma/migrations/', import.meta.url);
const migrations = readdirSync(folder, { recursive: true }).map(String).filter((path) => path.endsWith('.sql')).sort();
const log = createLog({ level: 'silent', format: 'json' });

export const LEASE_MS = 5000;
export const sealKey = generateSealKeyPair();

export const tool = (url: string, more: Partial<SealedFunctionTool> = {}): SealedFunctionTool => ({ type: 'function', name: 'lookup', url, method: 'POST', parameters: { type: 'object', properties: {} }, retry: 'safe', timeoutMs: 10_000, hidden: [], ...more });

export function newCall(url: string, more: Partial<NewCall> = {}): NewCall {
  const call = { id: newId('call'), runId: newId('run'), orgId: 'org_1', pool: 'shared', step: 0, tool: tool(url), arguments: { q: 1 }, egressAllow: [], traceparent: undefined, claim: false, ...more };
  return { ...call, lane: laneOf(call.orgId, call.tool) };
}

export interface CallRow {
  state: string;
  attempts: number;
  epoch: number;
  held: boolean;
  due: boolean | null;
  result: ToolResult | null;
}

/** A database with the executor's schema. */
export async function toolsDatabase() {
  const hash = createHash('sha256');
  for (const path of migrations) hash.update(path).update(readFileSync(new URL(path, folder)));
  const database = await testDatabase({ template: `tools ${hash.digest('hex')}`, migrate: async (url) => void (await migrate({ url, schema: 'tools', folder: fileURLToPath(folder) })) });
  return { database, db: connect({ url: database.url, max: 8, name: 'test', onError: (err) => console.error(err) }) };
}

/** Tool calls in a database of their own, and the executors that a test runs on it. */
export async function callStage() {
  const { database, db } = await toolsDatabase();
  const published: Omit<OutgoingEvent, 'ref'>[] = [];
  const asked: string[] = [];
  const answers: Record<string, unknown> = {};
  const executors: { relay: Relay; loop: CallLoop; close: () => Promise<void> }[] = [];
  const hints = new InProcessHints();

  /** One executor; `begin` inserts calls as its consumer does, `works: false` leaves them to others. */
  function executor({ works = true, slots = 10, laneMax = slots, on = db }: { works?: boolean; slots?: number; laneMax?: number; on?: Database } = {}) {
    const relay = new Relay({ db: on, schema: 'tools', publish: async (event) => void published.push(event), onTrouble: (err) => console.error(err), giveUp: () => Promise.resolve(false) });
    const calls = new CallStore(on, relay, { leaseMs: LEASE_MS, laneMax });
    const egress = createEgress({ allow: ['127.0.0.0/8'] });
    const platform = new PlatformTools(egress, new Documents(), new SearchClient([], egress));
    const servers = createMcpServers(egress);
    const observer = { claimed: () => undefined, leaseLost: () => undefined, backlog: () => undefined, trouble: (err: unknown) => console.error(err) };
    const loop = new CallLoop({ db: on, calls, kit: { outbound: new Outbound(egress), platform, servers, sealPrivateKey: sealKey.privateKey }, hints, pool: 'shared', slots, laneMax, leaseMs: LEASE_MS, observer, log });
    const client = new InternalClient(({ path }) => {
      asked.push(path);
      return Promise.resolve({ status: 200, body: JSON.stringify(answers[path]) });
    }, 'token');
    executors.push({ relay, loop, close: () => servers.close().then(() => egress.close()) });
    if (works) loop.start();
    return { calls, loop, consumer: new CallConsumer(calls, loop, client), begin: (list: readonly NewCall[]) => loop.begin(list.length, (granted) => calls.insert(list.map((call, index) => ({ ...call, claim: index < granted })))) };
  }

  return {
    db,
    asked,
    answers,
    executor,
    async row(id: string): Promise<CallRow | undefined> {
      const text = 'select state, attempts, epoch, lease_until is not null as held, due_at <= now() as due, result from tools.calls where id = $1';
      return (await db.query<CallRow>(statement('test.row', text), [id]))[0];
    },
    sql: async <R extends object>(text: string, values: unknown[] = []): Promise<R[]> => (await db.pool.query<R>(text, values)).rows,
    /** The results that the engine was told of a call; undefined for one that was too large. */
    async told(id: string): Promise<(ToolResult | undefined)[]> {
      // A row is done before its worker has handed the event over.
      await Promise.all(executors.map(({ loop }) => loop.drain(new AbortController().signal)));
      await Promise.all(executors.map(({ relay }) => relay.stop()));
      return published.flatMap(({ payload }) => ((payload as { callId: string }).callId === id ? [(payload as { result?: ToolResult }).result] : []));
    },
    clear: async () => {
      for (const { relay, loop, close } of executors.splice(0)) {
        await loop.drain(AbortSignal.abort());
        await relay.stop();
        await close();
      }
      await hints.close();
      published.splice(0);
      asked.splice(0);
      await db.query(statement('test.clear', 'truncate tools.calls, tools.outbox'));
    },
    close: async () => {
      await db.close();
      await database.drop();
    },
  };
}

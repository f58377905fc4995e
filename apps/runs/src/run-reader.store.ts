import { PrismaPg } from '@prisma/adapter-pg';
import { AppError, type CatchUpQuery, type InternalRunsAsked, type ListRuns, type MissedFinish, type RunFinished, type RunList, RunRequest, type RunView, type AnswerEncoding, type InternalQueues } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { PrismaClient, type Run as Row } from './generated/client.ts';
import type { Run } from './run.ts';
import { finishedEvent, wholeEvent } from './run-events.ts';
import { viewOf } from './run-view.ts';
import { ENDED, ENGINES, QUEUES } from './run.sql.ts';

const RUN_ID = /^run_[0-9a-f]{32}$/;
const CATCH_UP_ROWS = 50;

/** Reads runs for clients and for services that catch up. */
export class RunReader {
  readonly #db: Database;
  readonly #prisma: PrismaClient;

  constructor(db: Database) {
    this.#db = db;
    this.#prisma = new PrismaClient({ adapter: new PrismaPg(db.pool, { schema: 'runs' }) });
  }

  /** One run of an organisation; `not_found` for everybody else's. */
  async get(runId: string, orgId: string, encoding?: AnswerEncoding): Promise<RunView> {
    const row = RUN_ID.test(runId) ? await this.#prisma.run.findUnique({ where: { id: runId, orgId }, omit: { request: true } }) : null;
    if (!row) throw new AppError('not_found', { message: `There is no run ${runId.slice(0, 64)}.` });
    return viewOf(toRun(row), encoding);
  }

  /** Newest first. A run keeps its place, so pages neither repeat nor miss one while others are inserted. */
  async list(orgId: string, { limit, cursor }: ListRuns): Promise<RunList> {
    const before = cursor === undefined ? undefined : readCursor(cursor);
    const rows = await this.#prisma.run.findMany({
      where: { orgId, ...(before !== undefined && { id: { lt: before } }) },
      orderBy: { id: 'desc' },
      take: limit + 1,
      select: { id: true, status: true, engine: true, createdAt: true, updatedAt: true },
    });
    const page = rows.slice(0, limit);
    const runs = page.map(({ id, status, engine, createdAt, updatedAt }) => ({ runId: id, status: status as Run['status'], engine, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }));
    const last = page.at(-1);
    return { runs, nextCursor: rows.length > limit && last ? Buffer.from(last.id).toString('base64url') : null };
  }

  /** The engines that runs named, in that order; null for what an organisation does not have. */
  async engines(asked: InternalRunsAsked['asked']): Promise<(string | null)[]> {
    const rows = await this.#db.query<{ id: string; orgId: string; engine: string }>(ENGINES, [asked.flatMap(({ runId }) => (RUN_ID.test(runId) ? [runId] : []))]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return asked.map(({ runId, orgId }) => {
      const row = byId.get(runId);
      return row?.orgId === orgId ? row.engine : null;
    });
  }

  /** Which of these runs have ended, whoever they belong to. */
  async ended(runIds: readonly string[]): Promise<string[]> {
    return (await this.#db.query<{ id: string }>(ENDED, [runIds])).map(({ id }) => id);
  }

  /** What waits for each dedicated pool. */
  async queues(): Promise<InternalQueues['queues']> {
    const rows = await this.#db.query<{ pool: string; count: number; oldestSeconds: number }>(QUEUES);
    return rows.map(({ pool, ...waiting }) => ({ pool, waiting }));
  }

  /** The request of a run whose command was too large to carry it. */
  async request(runId: string): Promise<RunRequest> {
    const row = await this.#prisma.run.findUnique({ where: { id: runId }, select: { request: true } });
    if (!row) throw new AppError('not_found');
    return RunRequest.parse(row.request);
  }

  /** What webhooks say of runs whose events did not carry it; runs that are unknown or have not ended are left out. */
  async finished(runIds: readonly string[]): Promise<RunFinished[]> {
    const rows = await this.#prisma.run.findMany({ where: { id: { in: [...runIds] }, completedAt: { not: null } }, omit: { request: true } });
    return rows.map((row) => wholeEvent(toRun(row)));
  }

  /** Runs that ended since, oldest first, for consumers that may have missed their announcement. */
  async finishedSince({ sinceMs, cursor }: CatchUpQuery): Promise<{ events: MissedFinish[]; nextCursor: string | null }> {
    const [at, id] = cursor === undefined ? [new Date(Date.now() - sinceMs), ''] : readPosition(cursor);
    const rows = await this.#prisma.run.findMany({
      // The first condition is in the others, and the one that the index takes.
      where: { completedAt: { gte: at }, OR: [{ completedAt: { gt: at } }, { completedAt: at, id: { gt: id } }] },
      orderBy: [{ completedAt: 'asc' }, { id: 'asc' }],
      take: CATCH_UP_ROWS,
      omit: { request: true },
    });
    const last = rows.at(-1);
    return { events: rows.map((row) => ({ ...finishedEvent(toRun(row)), traceparent: row.traceparent })), nextCursor: rows.length === CATCH_UP_ROWS && last?.completedAt ? `${last.completedAt.toISOString()}_${last.id}` : null };
  }
}

function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!RUN_ID.test(id)) throw new AppError('invalid_request', { message: 'cursor: is not one that this server gave', details: { fields: { cursor: 'is not one that this server gave' } } });
  return id;
}

function readPosition(cursor: string): [Date, string] {
  const cut = cursor.indexOf('_');
  return [new Date(cursor.slice(0, cut)), cursor.slice(cut + 1)];
}

function toRun(row: Omit<Row, 'request'>): Run & { updatedAt: Date } {
  return row as unknown as Run & { updatedAt: Date };
}

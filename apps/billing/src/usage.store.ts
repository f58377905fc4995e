import type { RunFinished, TokensWait, TokensWaitQuery, UsageQuery, UsageRecorded, UsageReport, UsageTotals } from '@nightshift/contracts';
import { type Database, flusher } from '@nightshift/postgres';
import { metrics } from '@nightshift/runtime';
import { must } from '@nightshift/std';
import { periodOf } from './period.ts';
import { COUNT_RUNS, COUNT_TURNS, REPORTS, TOKENS_WAIT } from './usage.sql.ts';

type CountedTurns = Pick<UsageRecorded, 'orgId' | 'inputTokens' | 'outputTokens' | 'costMicroUsd'>;

const ROWS_MAX = 1000;
const MICRO_USD = 1_000_000;
// Nobody waits for a bill: what is told within this time is counted by one statement.
const LINGER_MS = 50;

/** Usage of turns and runs, each counted once however often it is told. */
export class UsageStore {
  readonly #db: Database;
  readonly #countTurn: (turn: UsageRecorded) => Promise<void>;
  readonly #countRun: (run: RunFinished) => Promise<void>;

  constructor(db: Database) {
    this.#db = db;
    this.#countTurn = flusher<UsageRecorded>((turns) => this.#insertTurns(turns), ROWS_MAX, LINGER_MS);
    this.#countRun = flusher<RunFinished>((runs) => this.#insertRuns(runs), ROWS_MAX, LINGER_MS);
  }

  async countTurns(turns: readonly UsageRecorded[]): Promise<void> {
    await Promise.all(turns.map((turn) => this.#countTurn(turn)));
  }

  async countRuns(runs: readonly RunFinished[]): Promise<void> {
    await Promise.all(runs.map((run) => this.#countRun(run)));
  }

  async #insertTurns(turns: readonly UsageRecorded[]): Promise<undefined[]> {
    const rows = turns.map((turn) => ({ ...turn, toolCalls: Object.values(turn.toolCalls).reduce((sum, calls) => sum + calls, 0) }));
    noteTurns(await this.#db.query<CountedTurns>(COUNT_TURNS, [JSON.stringify(rows)]));
    return turns.map(() => undefined);
  }

  async #insertRuns(runs: readonly RunFinished[]): Promise<undefined[]> {
    const rows = runs.map(({ runId, orgId, apiKeyId, engine, completedAt, usage }) => ({ runId, orgId, apiKeyId, engine, completedAt, inputTokens: usage?.inputTokens, outputTokens: usage?.outputTokens }));
    for (const { orgId: org, runs: count } of await this.#db.query<{ orgId: string; runs: number }>(COUNT_RUNS, [JSON.stringify(rows)])) metrics.usageRuns.inc({ org }, count);
    return runs.map(() => undefined);
  }

  /** How long until an organisation and a key are below their limits of tokens in a minute. Turns are counted when they have ended. */
  async tokensWait({ orgId, orgTokens, apiKeyId, keyTokens }: TokensWaitQuery): Promise<TokensWait> {
    const [row] = await this.#db.query<{ orgMs: number | null; keyMs: number | null }>(TOKENS_WAIT, [orgId, orgTokens ?? null, apiKeyId, keyTokens ?? null]);
    return { orgMs: row?.orgMs ?? 0, keyMs: row?.keyMs ?? 0 };
  }

  /** What an organisation has used; one statement, so that total and groups agree. */
  async report(orgId: string, query: UsageQuery): Promise<UsageReport> {
    const { from, to } = periodOf(query, new Date());
    const rows = await this.#db.query<UsageTotals & { key: string | null }>(REPORTS[query.groupBy ?? 'none'], [orgId, from, to]);
    const { key: _, ...total } = must(rows.find((row) => row.key === null), 'the total of a usage report');
    const groups = rows.flatMap((row) => (row.key === null ? [] : [{ ...row, key: row.key }]));
    return { from: from.toISOString(), to: to.toISOString(), total, groups };
  }
}

function noteTurns(counted: readonly CountedTurns[]): void {
  for (const { orgId: org, inputTokens, outputTokens, costMicroUsd } of counted) {
    metrics.usageTokens.inc({ org, kind: 'input' }, inputTokens);
    metrics.usageTokens.inc({ org, kind: 'output' }, outputTokens);
    metrics.usageCost.inc({ org }, costMicroUsd / MICRO_USD);
  }
}

import { type AnswerEncoding, AppError, type InternalCreateRun, InternalDurations, type InternalReplay, InternalReplayed, InternalRunCreated, InternalRunEngines, InternalRunIds, type InternalRunsAsked, type ListRuns, RunList, RunView } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { flusher } from '@nightshift/postgres';
import { z } from 'zod';

/** The owner of runs, on behalf of an organisation. */
export class RunsClient {
  readonly #client: InternalClient;
  /** The engine that a run of an organisation named; `not_found` for everybody else's. Who asks at the same time is asked for together. */
  readonly engineOf: (run: InternalRunsAsked['asked'][number]) => Promise<string>;

  constructor(client: InternalClient) {
    this.#client = client;
    const engines = flusher<InternalRunsAsked['asked'][number], string | null>(async (asked) => (await client.call({ method: 'POST', path: '/internal/run-engines', body: { asked } }, InternalRunEngines)).engines);
    this.engineOf = async (run) => {
      const engine = await engines(run);
      if (engine === null) throw new AppError('not_found', { message: `There is no run ${run.runId.slice(0, 64)}.` });
      return engine;
    };
  }

  create(run: InternalCreateRun): Promise<InternalRunCreated> {
    return this.#client.call({ method: 'POST', path: '/internal/runs', body: run, traceparent: run.traceparent }, InternalRunCreated);
  }

  /** The run that an idempotency key has made already, or null; `conflict` for another body. */
  async replay(orgId: string, idempotency: InternalReplay['idempotency']): Promise<string | null> {
    return (await this.#client.call({ method: 'POST', path: '/internal/runs/replay', body: { orgId, idempotency } }, InternalReplayed)).runId;
  }

  get(runId: string, orgId: string, answerEncoding: AnswerEncoding | undefined): Promise<RunView> {
    return this.#client.call({ method: 'GET', path: `/internal/runs/${encodeURIComponent(runId)}?${query({ orgId, answerEncoding })}` }, RunView);
  }

  /** Asks for the end of a run's stream once more, if the run has ended. */
  async announceEnd(runId: string): Promise<void> {
    await this.#client.call({ method: 'POST', path: `/internal/runs/${encodeURIComponent(runId)}/announce-end` }, z.unknown());
  }

  list(orgId: string, { limit, cursor }: ListRuns): Promise<RunList> {
    return this.#client.call({ method: 'GET', path: `/internal/runs?${query({ orgId, limit: String(limit), cursor })}` }, RunList);
  }

  cancel(runId: string, orgId: string, answerEncoding: AnswerEncoding | undefined): Promise<RunView> {
    return this.#client.call({ method: 'POST', path: `/internal/runs/${encodeURIComponent(runId)}/cancel?${query({ orgId, answerEncoding })}` }, RunView);
  }

  /** Which of these runs have ended; at most 1,000 at a time. */
  async ended(runIds: readonly string[]): Promise<string[]> {
    return (await this.#client.call({ method: 'POST', path: '/internal/ended-runs', body: { runIds } }, InternalRunIds)).runIds;
  }

  /** Median milliseconds from creation to success of the latest runs, by the engine that they named. */
  async durations(): Promise<Record<string, number>> {
    return (await this.#client.call({ method: 'GET', path: '/internal/durations' }, InternalDurations)).medianMs;
  }
}

function query(values: Record<string, string | undefined>): string {
  return new URLSearchParams(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)).toString();
}

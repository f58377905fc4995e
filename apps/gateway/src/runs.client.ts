import { type AnswerEncoding, type InternalCreateRun, type InternalReplay, InternalReplayed, InternalRunCreated, type ListRuns, RunList, RunView } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { z } from 'zod';

/** The owner of runs, on behalf of an organisation. */
export class RunsClient {
  readonly #client: InternalClient;

  constructor(client: InternalClient) {
    this.#client = client;
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
}

function query(values: Record<string, string | undefined>): string {
  return new URLSearchParams(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined)).toString();
}

import { FrameHeads, FramesPage } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';

/** The stored frames of runs. */
export class FramesClient {
  readonly #engineOf: (pool: string) => InternalClient;

  /** `engineOf`: the engines to ask for what runs of a pool have stored; any engine could answer. */
  constructor(engineOf: (pool: string) => InternalClient) {
    this.#engineOf = engineOf;
  }

  /** Frames after a number, as many as fit into a reply; without any, whether there will be none. */
  after(runId: string, after: number, pool: string): Promise<FramesPage> {
    return this.#engineOf(pool).call({ method: 'GET', path: `/internal/runs/${encodeURIComponent(runId)}/frames?after=${after}` }, FramesPage);
  }

  /** How far the frames of runs reach, and which have ended. */
  heads(runIds: readonly string[], pool: string): Promise<FrameHeads> {
    return this.#engineOf(pool).call({ method: 'POST', path: '/internal/frame-heads', body: { runIds } }, FrameHeads);
  }
}

import { FrameHeads, FramesPage } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';

/** The stored frames of runs. */
export class FramesClient {
  readonly #client: InternalClient;

  constructor(client: InternalClient) {
    this.#client = client;
  }

  /** Frames after a number, as many as fit into a reply; without any, whether there will be none. */
  after(runId: string, after: number): Promise<FramesPage> {
    return this.#client.call({ method: 'GET', path: `/internal/runs/${encodeURIComponent(runId)}/frames?after=${after}` }, FramesPage);
  }

  /** How far the frames of runs reach, and which have ended. */
  heads(runIds: readonly string[]): Promise<FrameHeads> {
    return this.#client.call({ method: 'POST', path: '/internal/frame-heads', body: { runIds } }, FrameHeads);
  }
}

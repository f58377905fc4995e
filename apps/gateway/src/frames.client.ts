import { FrameHeads, FramesPage } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';

/** The stored frames of runs. */
export class FramesClient {
  readonly #client: InternalClient;

  constructor(client: InternalClient) {
    this.#client = client;
  }

  /** Frames after a number, as many as fit into a reply; without any, how far they reach. */
  after(runId: string, after: number): Promise<FramesPage> {
    return this.#client.call({ method: 'GET', path: `/internal/runs/${encodeURIComponent(runId)}/frames?after=${after}` }, FramesPage);
  }

  /** How far the frames of runs reach. */
  async heads(runIds: readonly string[]): Promise<Record<string, number>> {
    return (await this.#client.call({ method: 'POST', path: '/internal/frame-heads', body: { runIds } }, FrameHeads)).heads;
  }
}

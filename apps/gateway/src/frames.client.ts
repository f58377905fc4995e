import { type Frame, FrameHeads, FramesPage } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';

/** The stored frames of runs. */
export class FramesClient {
  readonly #client: InternalClient;

  constructor(client: InternalClient) {
    this.#client = client;
  }

  /** Frames after a number, as many as fit into a reply; none when there are no more yet. */
  async after(runId: string, after: number): Promise<Frame[]> {
    return (await this.#client.call({ method: 'GET', path: `/internal/runs/${encodeURIComponent(runId)}/frames?after=${after}` }, FramesPage)).frames;
  }

  /** How far the frames of runs reach. */
  async heads(runIds: readonly string[]): Promise<Record<string, number>> {
    return (await this.#client.call({ method: 'POST', path: '/internal/frame-heads', body: { runIds } }, FrameHeads)).heads;
  }
}

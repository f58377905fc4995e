import { type Engine, findEngine } from '@nightshift/contracts';
import { must } from '@nightshift/std';
import type { Catalogue } from './catalogue.ts';
import { createModelClient, type ModelClient } from './model.client.ts';

const IDLE_TIMEOUT_MS = 120_000;
const FIRST_BYTE_TIMEOUT_MS = 300_000;

/** The model servers of the catalogue. */
export class Upstreams {
  readonly #catalogue: Catalogue;
  readonly #clients: ReadonlyMap<string, ModelClient>;

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#clients = new Map(
      Object.entries(catalogue.upstreams).map(([name, { baseUrl, apiKey, apiKeyName, concurrency }]) => [
        name,
        createModelClient({ baseUrl, ...(apiKey !== undefined && { apiKey }), apiKeyName, idleTimeoutMs: IDLE_TIMEOUT_MS, firstByteTimeoutMs: FIRST_BYTE_TIMEOUT_MS, connections: concurrency }),
      ]),
    );
  }

  /** The engine for the id a client sent. */
  engine(name: string): Engine | undefined {
    return findEngine(this.#catalogue.engines, name);
  }

  /** The upstream for a try: the next of the engine's list after each failure. */
  pick(engine: Engine, failures: number): { client: ModelClient; model: string } {
    const { name, model } = must(engine.upstreams[failures % engine.upstreams.length], `upstream of ${engine.id}`);
    return { client: must(this.#clients.get(name), name), model };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }
}

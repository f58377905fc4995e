import { Controller, Inject } from '@nestjs/common';
import { InternalOutcome, type RunProgressed } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { Consumes, type Message } from '@nightshift/messaging';
import { assertNever, mapLimited } from '@nightshift/std';
import type { RunEvent } from './run.ts';
import { RunStore } from './run.store.ts';

const FETCHES_AT_ONCE = 8;

/** The injection token of the client of engine-orchestrator. */
export const ENGINE_CLIENT = Symbol('client of engine-orchestrator');

/** What the engine says about runs: parse, load, decide, commit. */
@Controller()
export class EngineConsumer {
  constructor(
    @Inject(RunStore) private readonly runs: RunStore,
    @Inject(ENGINE_CLIENT) private readonly engine: InternalClient,
  ) {}

  @Consumes('run.progressed')
  async progressed(messages: readonly Message<'run.progressed'>[]): Promise<void> {
    const happened = await mapLimited(messages, FETCHES_AT_ONCE, async ({ payload }) => ({ runId: payload.runId, event: await this.#eventOf(payload) }));
    await this.runs.apply(happened);
  }

  async #eventOf(progress: RunProgressed): Promise<RunEvent> {
    switch (progress.kind) {
      case 'started':
        return { kind: 'started' };
      case 'stopped':
        return { kind: 'stopped', usage: progress.usage, ...began(progress) };
      case 'outcome': {
        const outcome = progress.outcome ?? (await this.engine.call({ method: 'GET', path: `/internal/sessions/${progress.runId}/outcome` }, InternalOutcome)).outcome;
        return { kind: 'outcome', outcome, usage: progress.usage, ...began(progress) };
      }
      default:
        return assertNever(progress);
    }
  }
}

function began({ startedAt }: { readonly startedAt?: string | undefined }): { startedAt?: Date } {
  return startedAt === undefined ? {} : { startedAt: new Date(startedAt) };
}

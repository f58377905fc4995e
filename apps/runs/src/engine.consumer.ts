import { Controller, Inject } from '@nestjs/common';
import { AppError, InternalOutcome, type RunOutcome, type RunProgressed } from '@nightshift/contracts';
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
    const engine = { isAway: false };
    const happened = await mapLimited(messages, FETCHES_AT_ONCE, async ({ payload }) => ({ runId: payload.runId, event: await this.#eventOf(payload, engine) }));
    await this.runs.apply(happened);
  }

  async #eventOf(progress: RunProgressed, engine: { isAway: boolean }): Promise<RunEvent> {
    switch (progress.kind) {
      case 'started':
        return { kind: 'started' };
      case 'stopped':
        return { kind: 'stopped', usage: progress.usage, ...began(progress) };
      case 'outcome': {
        const outcome = progress.outcome ?? (await this.#read(progress.runId, engine));
        const used = { usage: progress.usage, ...began(progress) };
        return outcome ? { kind: 'outcome', outcome, ...used } : { kind: 'outcome unread', ...used };
      }
      default:
        return assertNever(progress);
    }
  }

  /** Undefined while no engine answers: the others of the batch, and those behind it, wait for that once at most. */
  async #read(runId: string, engine: { isAway: boolean }): Promise<RunOutcome | undefined> {
    if (engine.isAway) return undefined;
    try {
      return (await this.engine.call({ method: 'GET', path: `/internal/sessions/${runId}/outcome` }, InternalOutcome)).outcome;
    } catch (err) {
      if (!(err instanceof AppError) || err.code !== 'service_unavailable') throw err;
      engine.isAway = true;
      return undefined;
    }
  }
}

function began({ startedAt }: { readonly startedAt?: string | undefined }): { startedAt?: Date } {
  return startedAt === undefined ? {} : { startedAt: new Date(startedAt) };
}

import { Controller, Inject } from '@nestjs/common';
import { AppError, InternalCall, type ToolCall } from '@nightshift/contracts';
import { endedAmong, type InternalClient } from '@nightshift/http';
import { Consumes, isStale, type Message } from '@nightshift/messaging';
import { mapLimited } from '@nightshift/std';
import { type Call, laneOf } from './call.ts';
import { CallLoop } from './call.loop.ts';
import { CallStore, type NewCall } from './call.store.ts';

const FETCHES_AT_ONCE = 8;

/** The injection token of the client of engine-orchestrator. */
export const ENGINE_CLIENT = Symbol('client of engine-orchestrator');

/** What the engine commands: make a call, or give it up. */
@Controller()
export class CallConsumer {
  constructor(
    @Inject(CallStore) private readonly calls: CallStore,
    @Inject(CallLoop) private readonly loop: CallLoop,
    @Inject(ENGINE_CLIENT) private readonly engine: InternalClient,
  ) {}

  @Consumes('tool.commanded')
  async commanded(messages: readonly Message<'tool.commanded'>[]): Promise<void> {
    const calls: Omit<Call, 'attempts'>[] = [];
    const cancels: Pick<Call, 'id' | 'runId' | 'orgId' | 'pool' | 'step'>[] = [];
    const ended = await this.#endedOf(messages.filter((message) => message.payload.command === 'call' && isStale(message)).map(({ payload }) => payload.runId));
    await mapLimited(messages, FETCHES_AT_ONCE, async ({ payload, traceparent }) => {
      const { callId: id, runId, orgId, pool, step } = payload;
      if (payload.command === 'cancel') cancels.push({ id, runId, orgId, pool, step });
      else if (!ended.has(runId)) calls.push({ id, runId, orgId, pool, step, traceparent, egressAllow: payload.egressAllow ?? [], ...(await this.#bodyOf(payload)) });
    });
    // A call that is canceled in the same breath is never made.
    if (cancels.length > 0) for (const id of await this.calls.cancel(cancels)) this.loop.cancel(id);
    if (calls.length > 0) await this.#make([...new Map(calls.map((call) => [call.id, call])).values()]);
  }

  async #make(calls: readonly Omit<Call, 'attempts'>[]): Promise<void> {
    const fresh = await this.loop.begin(calls.length, (granted) => this.calls.insert(calls.map((call, index): NewCall => ({ ...call, lane: laneOf(call.orgId, call.tool), claim: index < granted }))));
    const isFresh = new Set(fresh.map((call) => call.id));
    await this.calls.answerAgain(calls.map((call) => call.id).filter((id) => !isFresh.has(id)));
  }

  /** Which runs have ended while their orders waited: nobody wants their calls any more. */
  async #endedOf(runIds: readonly string[]): Promise<ReadonlySet<string>> {
    try {
      return await endedAmong(this.engine, '/internal/ended-sessions', runIds);
    } catch (err) {
      // Engines of the release before do not know the question.
      if (err instanceof AppError && err.code !== 'service_unavailable') return new Set();
      throw err;
    }
  }

  async #bodyOf(call: ToolCall): Promise<Pick<Call, 'tool' | 'arguments'>> {
    if (call.tool && call.arguments) return { tool: call.tool, arguments: call.arguments };
    return this.engine.call({ method: 'GET', path: `/internal/sessions/${call.runId}/calls/${call.callId}` }, InternalCall);
  }
}

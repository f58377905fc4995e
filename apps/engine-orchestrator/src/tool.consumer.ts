import { Controller, Inject } from '@nestjs/common';
import { InternalToolResult, type ToolCompleted, type ToolResult } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { Consumes, type Message } from '@nightshift/messaging';
import { isSampled } from '@nightshift/runtime';
import { mapLimited } from '@nightshift/std';
import { SessionStore } from './session.store.ts';
import { TurnLoop } from './turn.loop.ts';

const FETCHES_AT_ONCE = 8;

/** The injection token of the client of tool-executor. */
export const TOOLS_CLIENT = Symbol('client of tool-executor');

/** What tools answered: journaled and counted down in one statement; the last one makes the session due. */
@Controller()
export class ToolConsumer {
  constructor(
    @Inject(SessionStore) private readonly sessions: SessionStore,
    @Inject(TurnLoop) private readonly turns: TurnLoop,
    @Inject(TOOLS_CLIENT) private readonly tools: InternalClient,
  ) {}

  @Consumes('tool.completed')
  async completed(messages: readonly Message<'tool.completed'>[]): Promise<void> {
    const results = await mapLimited(messages, FETCHES_AT_ONCE, async ({ payload, traceparent }) => ({ ...payload, traceparent: traceparent !== undefined && isSampled(traceparent) ? traceparent : undefined, result: await this.#resultOf(payload) }));
    const runs = [...new Set(results.map((result) => result.runId))];
    await this.turns.begin(runs.length, (granted) => {
      const claimable = new Set(runs.slice(0, granted));
      return this.sessions.results(results.map(({ runId, step, callId, result, traceparent }) => ({ runId, step, callId, result, traceparent, claim: claimable.has(runId) })));
    });
  }

  async #resultOf(completed: ToolCompleted): Promise<ToolResult> {
    if (completed.result) return completed.result;
    return (await this.tools.call({ method: 'GET', path: `/internal/calls/${completed.callId}/result` }, InternalToolResult)).result;
  }
}

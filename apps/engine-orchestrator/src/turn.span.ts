import { contextOf, isTracing, type SpanOptions } from '@nightshift/runtime';
import type { JournalEntry, TurnEntry } from './session.ts';
import type { ClaimedSession } from './session.store.ts';

type Turn = Pick<ClaimedSession, 'runId' | 'engine' | 'step' | 'epoch' | 'attempts' | 'upstreamFailures' | 'traceparent'>;

/** The context that what a turn orders and says goes on from: its own, or that of the session where no model was asked or none answered. */
export function turnContext({ traceparent, ...turn }: Turn, { context }: Pick<TurnEntry, 'context'>): string | undefined {
  return traceparent === undefined || context === undefined ? traceparent : contextOf(traceparent, keyOf(turn));
}

/** The span of a turn: linked to the tool calls that it goes on from, and to the try before it. */
export function turnSpan(turn: Turn, journal: readonly JournalEntry[], { hasWaited, contextTokens, prunedTokens }: { hasWaited: boolean; contextTokens: number; prunedTokens: number }): SpanOptions {
  const { runId, engine, step, epoch, attempts, upstreamFailures, traceparent: parent } = turn;
  if (!isTracing() || parent === undefined) return { parent, kind: 'internal', attributes: {} };
  const isRetry = hasWaited || attempts > 1 || upstreamFailures > 0;
  const attributes = { 'nightshift.run_id': runId, 'nightshift.step': step, 'gen_ai.agent.name': engine, 'nightshift.context_tokens': contextTokens, 'nightshift.pruned_tokens': prunedTokens };
  const results = journal.flatMap((entry) => (entry.kind === 'result' && entry.step === step - 1 ? [entry.traceparent] : []));
  const before = isRetry ? contextOf(parent, keyOf({ step, epoch: epoch - 1 })) : undefined;
  return { parent, kind: 'internal', attributes, key: keyOf(turn), links: [before, ...results] };
}

// A claim raises the epoch, and a claim may make several turns.
function keyOf({ step, epoch }: Pick<Turn, 'step' | 'epoch'>): string {
  return `turn ${step} ${epoch}`;
}

import type { McpListing, RunOutcome, RunRequest, StepUsage, ToolResult } from '@nightshift/contracts';
import type { TokenKind } from './model.ts';

/** One tool call that a turn asked for. */
export interface JournalCall {
  /** Ours: the tool's `Idempotency-Key`. */
  readonly callId: string;
  /** The model's own id of the call, unique within the turn. */
  readonly modelCallId: string;
  readonly name: string;
  /** As the model sent it; may be broken JSON. */
  readonly arguments: string;
}

/** One model turn as it is remembered. */
export interface TurnEntry {
  readonly kind: 'turn';
  readonly step: number;
  readonly content: string;
  readonly reasoning?: string;
  readonly calls: readonly JournalCall[];
  /** What the model was told about its answer, which did not have the format that was asked for. */
  readonly correction?: string;
  readonly usage: StepUsage;
  /** Counts of the usage that the upstream did not report. */
  readonly estimated?: readonly TokenKind[];
  readonly costMicroUsd: number;
  /** Estimated tokens of the request, and of what it left out. */
  readonly context?: { readonly tokens: number; readonly pruned: number };
}

/** A result as it is remembered: of format `json`, `content` is the JSON text that the model reads. */
export type JournalResult = Omit<ToolResult, 'format'> & { readonly format?: ToolResult['format'] | 'json' };

/** What a tool call of a turn answered. */
export interface ResultEntry {
  readonly kind: 'result';
  readonly step: number;
  readonly callId: string;
  readonly result: JournalResult;
  /** Where its trace was, if that is exported. */
  readonly traceparent?: string;
}

/** Writes a result's JSON out once: each later turn reads it again, and a text is read several times as fast as what it stands for. */
export function journaled(result: ToolResult): JournalResult {
  if (result.format !== undefined || typeof result.content === 'string') return result;
  return { ...result, format: 'json', content: JSON.stringify(result.content ?? null) };
}

/** What the run's MCP servers offered before its first turn, one listing for each that was asked: it stays as it was. */
export interface ListingsEntry {
  readonly kind: 'listings';
  readonly step: 0;
  readonly listings: readonly McpListing[];
}

/** One line of a session's append-only journal. */
export type JournalEntry = TurnEntry | ResultEntry | ListingsEntry;

/** A run as the engine drives it. */
export interface Session {
  readonly runId: string;
  readonly orgId: string;
  readonly apiKeyId: string;
  readonly pool: string;
  readonly engine: string;
  readonly request: RunRequest;
  readonly traceparent: string | undefined;
  readonly state: 'active' | 'done';
  /** Turns committed so far; the next turn has this number. */
  readonly step: number;
  /** Tool results that the last turn still waits for. */
  readonly pending: number;
  /** Ids of the calls of the last turn. */
  readonly calls: readonly string[] | null;
  readonly usage: StepUsage;
  readonly outcome: RunOutcome | null;
  /** The last frame that was stored when the session was committed. */
  readonly frameSeq: number;
  /** The last character of its document then. */
  readonly frameTail: string;
  /** Failures of the upstream since the last turn. */
  readonly upstreamFailures: number;
  readonly checkCount: number;
  /** When its first turn began. */
  readonly startedAt: Date | null;
}

/** How far a session is. */
export type SessionEnd = Pick<Session, 'runId' | 'orgId' | 'pool' | 'traceparent' | 'state' | 'step' | 'usage' | 'outcome' | 'startedAt' | 'frameSeq' | 'frameTail'>;

const NO_USAGE: StepUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };

/** A session before its first turn. */
export function newSession(given: Pick<Session, 'runId' | 'orgId' | 'apiKeyId' | 'pool' | 'engine' | 'request' | 'traceparent'>): Session {
  const { runId, orgId, apiKeyId, pool, engine, request, traceparent } = given;
  const begun = { state: 'active', step: 0, pending: 0, calls: null, usage: NO_USAGE, outcome: null, frameSeq: 0, frameTail: '', upstreamFailures: 0, checkCount: 0, startedAt: null } as const;
  return { runId, orgId, apiKeyId, pool, engine, request, traceparent, ...begun };
}

/** The sum of two usages. */
export function addUsage(a: StepUsage, b: StepUsage): StepUsage {
  // Names come from the model: on a plain object "constructor" is there already.
  const toolCalls = new Map(Object.entries(a.toolCalls));
  for (const [name, count] of Object.entries(b.toolCalls)) toolCalls.set(name, (toolCalls.get(name) ?? 0) + count);
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    toolCalls: Object.fromEntries(toolCalls),
  };
}

/** How large a run's largest model request was, and how much the last one left out; in estimated tokens. */
export function contextOf(journal: readonly JournalEntry[]): { peakContextTokens: number; prunedTokens: number } {
  const contexts = journal.flatMap((entry) => (entry.kind === 'turn' && entry.context ? [entry.context] : []));
  return { peakContextTokens: Math.max(0, ...contexts.map(({ tokens }) => tokens)), prunedTokens: contexts.at(-1)?.pruned ?? 0 };
}

const FACTOR_STEPS = 4;
const FACTOR_MAX = 4;
const FACTOR_TOKENS_MIN = 4000;

/**
 * How many tokens upstreams counted for one that was estimated, at worst; 1 to 4. It goes up in quarters and never down,
 * so it changes rarely, and with it what the upstream has in its cache.
 */
export function estimateFactor(journal: readonly JournalEntry[]): number {
  let factor = 1;
  for (const entry of journal) {
    // Of a short prompt most may be what the upstream adds to it, which is no more for a long one.
    if (entry.kind !== 'turn' || entry.estimated?.includes('input')) continue;
    const { tokens = 0 } = entry.context ?? {};
    if (tokens >= FACTOR_TOKENS_MIN) factor = Math.max(factor, Math.ceil((entry.usage.inputTokens / tokens) * FACTOR_STEPS) / FACTOR_STEPS);
  }
  return Math.min(FACTOR_MAX, factor);
}

const CHECK_FIRST_MS = 30_000;
const CHECK_MAX_MS = 600_000;

/** How long a session waits for tool results before it asks for them again: 30 s, doubling to 10 min. */
export function checkDelayMs(checkCount: number): number {
  return Math.min(CHECK_MAX_MS, CHECK_FIRST_MS * 2 ** Math.min(checkCount, 10));
}

import type { ChatRequest, Engine, InternalChat } from '@nightshift/contracts';
import type { Target } from './catalogue.ts';
import { asJson, asList, type Json } from './chat-wire.ts';
import { estimateTokens } from './model.ts';

/** What a plain call asks, in order: where a model of an upstream was named that one first, then what its engine falls back on. */
export function plainTargets(targets: readonly Target[], model: string | undefined): readonly Target[] {
  if (model === undefined) return targets;
  const isNamed = (target: Target): boolean => target.model === model;
  return [...targets.filter(isNamed), ...targets.filter((target) => !isNamed(target))];
}

/** The most tokens that one reply may have. */
export interface OutputBound {
  readonly tokens: number;
  /** Where the request names no bound of its own: whether it gets this one. */
  readonly isGiven: boolean;
}

/** The bound of a reply, or undefined without one: that of the engine, which only cuts what a request asks for, or a lower one of the caller's key, which holds for all. */
export function outputBound({ limits }: Engine, key: InternalChat['limits'] = {}): OutputBound | undefined {
  const tokens = Math.min(limits.outputTokens ?? Infinity, key.outputTokens ?? Infinity);
  return tokens === Infinity ? undefined : { tokens, isGiven: key.outputTokens !== undefined };
}

/** The request as an upstream gets it: the caller's own, for the upstream's model, within bounds. A stream is always asked for its usage. */
export function chatBody(request: ChatRequest, { model, reasoningEffort }: Target, bound: OutputBound | undefined): Json {
  return {
    ...request,
    model,
    ...(request.stream && { stream_options: { ...request.stream_options, include_usage: true } }),
    ...(bound && bounded(request, bound)),
    ...(reasoningEffort !== undefined && (request.reasoning_effort ?? undefined) === undefined && { reasoning_effort: reasoningEffort }),
  };
}

function bounded({ max_tokens: old, max_completion_tokens: current }: ChatRequest, { tokens, isGiven }: OutputBound): Json {
  // Upstreams differ in which of the two they heed.
  const asked = { ...(typeof old === 'number' && { max_tokens: Math.min(old, tokens) }), ...(typeof current === 'number' && { max_completion_tokens: Math.min(current, tokens) }) };
  return Object.keys(asked).length === 0 && isGiven ? { max_tokens: tokens } : asked;
}

/** All texts of a request that a model reads. */
export function requestTexts({ messages, tools }: Json): string[] {
  const texts = asList(tools).length > 0 ? [JSON.stringify(tools)] : [];
  for (const message of asList(messages)) {
    const { content, tool_calls: calls } = asJson(message) ?? {};
    if (typeof content === 'string') texts.push(content);
    for (const part of asList(content)) {
      const text = asJson(part)?.['text'];
      if (typeof text === 'string') texts.push(text);
    }
    for (const call of asList(calls)) {
      const called = asJson(asJson(call)?.['function']);
      texts.push(String(called?.['name'] ?? ''), String(called?.['arguments'] ?? ''));
    }
  }
  return texts;
}

/** Tokens of a request, estimated. */
export function requestTokens(request: Json): number {
  return estimateTokens(requestTexts(request).reduce((sum, text) => sum + text.length, 0));
}

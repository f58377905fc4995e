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

/** The most tokens that one reply may have, or undefined without a bound: that of the engine, or a lower one of the caller's key. */
export function outputBound({ limits }: Engine, key: InternalChat['limits'] = {}): number | undefined {
  const bound = Math.min(limits.outputTokens ?? Infinity, key.outputTokens ?? Infinity);
  return bound === Infinity ? undefined : bound;
}

/** The request as an upstream gets it: the caller's own, for the upstream's model, within bounds. A stream is always asked for its usage. */
export function chatBody(request: ChatRequest, { model, reasoningEffort }: Target, bound: number | undefined): Json {
  return {
    ...request,
    model,
    ...(request.stream && { stream_options: { ...request.stream_options, include_usage: true } }),
    ...(bound !== undefined && bounded(request, bound)),
    ...(reasoningEffort !== undefined && (request.reasoning_effort ?? undefined) === undefined && { reasoning_effort: reasoningEffort }),
  };
}

function bounded({ max_tokens: old, max_completion_tokens: current }: ChatRequest, bound: number): Json {
  if (typeof current === 'number') return { max_completion_tokens: Math.min(current, bound) };
  return { max_tokens: Math.min(old ?? bound, bound) };
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

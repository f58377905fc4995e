import { isTracing, type SpanOptions } from '@nightshift/runtime';
import type { UpstreamSettings } from './catalogue.ts';
import type { ModelReply } from './model.ts';

/** Which request at which upstream a span is of. */
export interface ModelAttempt {
  readonly upstream: string;
  readonly settings: Pick<UpstreamSettings, 'kind' | 'baseUrl'> | undefined;
  readonly model: string;
  /** 1 for the first upstream that was asked. */
  readonly number: number;
  readonly parent: string;
}

/** Name and facts of a model request, as OpenTelemetry's conventions for generative AI call them; of its text nothing. */
export function modelSpan({ upstream, settings, model, number, parent }: ModelAttempt): [string, SpanOptions] {
  if (!isTracing()) return ['chat', { parent, kind: 'client', attributes: {} }];
  const { hostname, port, protocol } = new URL(settings?.baseUrl ?? 'http://unknown');
  const attributes = {
    'gen_ai.operation.name': 'chat',
    // Which wire is spoken; whose server it is nobody says.
    'gen_ai.provider.name': settings?.kind ?? 'openai',
    'gen_ai.request.model': model,
    'server.address': hostname,
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    'nightshift.upstream': upstream,
    'nightshift.attempt': number,
  };
  return [`chat ${model}`, { parent, kind: 'client', attributes }];
}

/** What a reply adds. */
export function replyAttributes({ model, finishReason, usage }: Pick<ModelReply, 'model' | 'finishReason' | 'usage'>): Record<string, string | number | string[]> {
  return {
    'gen_ai.response.model': model,
    'gen_ai.response.finish_reasons': [finishReason],
    'gen_ai.usage.input_tokens': usage.inputTokens,
    'gen_ai.usage.output_tokens': usage.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cachedInputTokens,
  };
}

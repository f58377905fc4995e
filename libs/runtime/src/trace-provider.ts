import type { IdGenerator, Sampler, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { ROOT_CONTEXT, SpanKind, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, hostDetector, processDetector, resourceFromAttributes, serviceInstanceIdDetector } from '@opentelemetry/resources';
import { AlwaysOffSampler, AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor, ParentBasedSampler, SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
import type { TraceSettings } from './trace-settings.ts';

/** What makes spans and exports them. */
export interface Provider {
  readonly tracer: Tracer;
  /** Whether a trace that begins here is exported. */
  readonly isSampledRoot: (traceId: string) => boolean;
  readonly shutdown: () => Promise<void>;
}

/** `through`: what ended spans go through before they are exported; it is given all of them, sampled or not. */
export function createProvider<P extends SpanProcessor>(service: string, settings: TraceSettings, idGenerator: IdGenerator, through: (exporting: SpanProcessor) => P): Provider & { readonly processor: P } {
  const sampler = samplerOf(settings);
  const processor = through(new BatchSpanProcessor(new OTLPTraceExporter()));
  // Of the process only its id: a command line may hold anything.
  const process = detectResources({ detectors: [processDetector] }).attributes['process.pid'];
  const detected = detectResources({ detectors: [hostDetector, serviceInstanceIdDetector, envDetector] });
  const own = resourceFromAttributes({ 'service.name': service, 'service.namespace': 'nightshift', ...(process !== undefined && { 'process.pid': process }) });
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(own).merge(detected),
    sampler: recordingAll(sampler),
    idGenerator,
    spanProcessors: [processor],
  });
  return {
    processor,
    tracer: provider.getTracer('nightshift'),
    isSampledRoot: (traceId) => sampler.shouldSample(ROOT_CONTEXT, traceId, '', SpanKind.INTERNAL, {}, []).decision === SamplingDecision.RECORD_AND_SAMPLED,
    shutdown: () => provider.shutdown(),
  };
}

function samplerOf({ sampler, ratio }: TraceSettings): Sampler {
  switch (sampler) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}

/** What is not sampled is recorded all the same: it may turn out to be part of a failure. */
function recordingAll(sampler: Sampler): Sampler {
  return {
    shouldSample(...args) {
      const result = sampler.shouldSample(...args);
      return result.decision === SamplingDecision.NOT_RECORD ? { ...result, decision: SamplingDecision.RECORD } : result;
    },
    toString: () => `recordingAll(${sampler.toString()})`,
  };
}

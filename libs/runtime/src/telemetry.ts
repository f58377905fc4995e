import { randomHex } from '@nightshift/std';
import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A new sampled W3C trace context, or the caller's own when it is a valid one. */
export function traceparentFrom(header: string | undefined): string {
  if (header !== undefined && TRACEPARENT.test(header)) return header;
  return `00-${randomHex(16)}-${randomHex(8)}-01`;
}

/** The trace's id within a traceparent. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

let tracer: Tracer | undefined;

/**
 * Starts exporting spans over OTLP/HTTP when there is an endpoint; the exporter reads the standard OTEL_* variables itself.
 * Returns how to flush and stop. What exports is loaded only then: it is a third of what a process loads.
 */
export async function startTracing(service: string, endpoint: string | undefined): Promise<() => Promise<void>> {
  if (endpoint === undefined || tracer) return () => Promise.resolve();
  const [{ OTLPTraceExporter }, { defaultResource, resourceFromAttributes }, { BasicTracerProvider, BatchSpanProcessor }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace-base'),
  ]);
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': service, 'service.namespace': 'nightshift' })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  tracer = provider.getTracer('nightshift');
  return () => provider.shutdown();
}

/** What is known of a span when it starts. */
export interface SpanOptions {
  readonly parent: string | undefined;
  readonly kind: 'server' | 'client' | 'consumer' | 'internal';
  readonly attributes: Attributes;
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER, internal: SpanKind.INTERNAL };

/** A span that has begun. */
export interface StartedSpan {
  /** The context to hand on. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
  /** Ends it, as failed with an error text. */
  end(error?: string): void;
}

/** Begins a span below `parent`. Without an exporter none is made, and the parent's context is handed on as it is. */
export function startSpan(name: string, options: SpanOptions): StartedSpan {
  const parent = options.parent ?? traceparentFrom(undefined);
  if (!tracer) return { traceparent: parent, set: () => undefined, end: () => undefined };
  const [, traceId = '', spanId = '', flags = ''] = parent.split('-');
  const parentContext = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true });
  const span = tracer.startSpan(name, { kind: KINDS[options.kind], attributes: options.attributes }, parentContext);
  const own = span.spanContext();
  return {
    traceparent: `00-${own.traceId}-${own.spanId}-01`,
    set: (attributes) => void span.setAttributes(attributes),
    end(error) {
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end();
    },
  };
}

/** Runs `work` inside a span below `parent` and gives it the context to hand on. */
export async function withSpan<T>(name: string, options: SpanOptions, work: (traceparent: string, span: StartedSpan) => Promise<T>): Promise<T> {
  const span = startSpan(name, options);
  try {
    const result = await work(span.traceparent, span);
    span.end();
    return result;
  } catch (err) {
    span.end(err instanceof Error ? err.message : String(err));
    throw err;
  }
}

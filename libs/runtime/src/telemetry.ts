import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { randomHex } from '@nightshift/std';
import { type Attributes, diag, DiagLogLevel, type Link, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { KeptTraces } from './kept-traces.ts';
import type { Logger } from './log.ts';
import type { Provider } from './trace-provider.ts';
import type { TraceSettings } from './trace-settings.ts';
import { partsOf, traceIdOf, traceparentFrom } from './traceparent.ts';

/** Ids of spans: random, or the one that the next span is to have. */
class SpanIds {
  next: string | undefined;
  readonly generateTraceId = (): string => randomHex(16);
  readonly generateSpanId = (): string => {
    const id = this.next ?? randomHex(8);
    this.next = undefined;
    return id;
  };
}

interface Tracing extends Provider {
  readonly ids: SpanIds;
  readonly kept: KeptTraces;
}

const FLUSH_MS_MAX = 2000;
const DETAIL_CHARS_MAX = 500;

let tracing: Tracing | undefined;
let tellOthers: (traceId: string) => void = () => undefined;

/**
 * Starts exporting spans over OTLP/HTTP where there are settings; exporter and resource read the standard OTEL_* variables
 * themselves. Returns how to flush and stop, which takes `flushMsMax` at most: a collector that is away must not keep a
 * process from ending. What exports is loaded only then: it is a third of what a process loads.
 */
export async function startTracing(service: string, settings: TraceSettings | undefined, { log, flushMsMax = FLUSH_MS_MAX }: { log?: Logger; flushMsMax?: number } = {}): Promise<() => Promise<void>> {
  if (settings === undefined || tracing) return () => Promise.resolve();
  const { createProvider } = await import('./trace-provider.ts');
  if (log) tellTrouble(log);
  const ids = new SpanIds();
  const { processor: kept, ...provider } = createProvider(service, settings, ids, (exporting) => new KeptTraces(exporting, (traceId) => tellOthers(traceId)));
  tracing = { ...provider, ids, kept };
  return () => Promise.race([provider.shutdown().catch((err: unknown) => diag.error(String(err))), delay(flushMsMax, undefined, { ref: false })]);
}

/** Says once that traces get lost, and after that only to whoever listens closely. */
function tellTrouble(log: Logger): void {
  let isTold = false;
  const say = (text: string): void => {
    // Errors come as JSON, with a stack that leads nowhere.
    const detail = /"message":"([^"]+)"/.exec(text)?.[1] ?? text;
    log[isTold ? 'debug' : 'warn']({ detail: detail.slice(0, DETAIL_CHARS_MAX) }, 'tracing');
    isTold = true;
  };
  diag.setLogger({ error: say, warn: say, info: nothing, debug: nothing, verbose: nothing }, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

/** Says of traces that were not sampled and have failed that they are kept, so that other processes keep their part too. */
export function onTraceKept(tell: (traceId: string) => void): void {
  tellOthers = tell;
}

/** Another process keeps this trace. */
export function keepTrace(traceId: string): void {
  tracing?.kept.keep(traceId);
}

/** True while spans are exported: only then is it worth gathering what they say. */
export function isTracing(): boolean {
  return tracing !== undefined;
}

/** True if the trace of this context is exported. */
export function isSampled(traceparent: string): boolean {
  return tracing !== undefined && ((partsOf(traceparent).traceFlags & TraceFlags.SAMPLED) !== 0 || tracing.kept.has(traceIdOf(traceparent)));
}

/** What is known of a span when it starts. */
export interface SpanOptions {
  /** Without one the span begins a trace. */
  readonly parent: string | undefined;
  readonly kind: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  readonly attributes: Attributes;
  /** What the span's id follows from, so that others can name it (`contextOf`). Unique in its trace. */
  readonly key?: string;
  /** Contexts of spans that this one goes back to, besides its parent. */
  readonly links?: readonly (string | undefined)[];
  /** If it began earlier. */
  readonly startedAt?: Date;
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER, internal: SpanKind.INTERNAL };

/** A span that has begun. One that is never ended is never exported. */
export interface StartedSpan {
  /** The context to hand on. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
  /** Ends it, as failed with a code: never with a text, which may quote anything. What has ended stays as it is. */
  end(errorType?: string): void;
}

/** Begins a span below `parent`. Without an exporter none is made, and the parent's context is handed on as it is. */
export function startSpan(name: string, options: SpanOptions): StartedSpan {
  const { parent, kind, attributes, key, links = [], startedAt } = options;
  if (!tracing) return { traceparent: traceparentFrom(parent), set: nothing, end: nothing };
  const { tracer, ids } = tracing;
  if (key !== undefined && parent !== undefined) ids.next = spanIdOf(traceIdOf(parent), key);
  const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...partsOf(parent), isRemote: true });
  const span = tracer.startSpan(name, { kind: KINDS[kind], attributes, links: links.flatMap(linkTo), ...(startedAt && { startTime: startedAt }) }, context);
  const own = span.spanContext();
  return {
    traceparent: `00-${own.traceId}-${own.spanId}-0${own.traceFlags & TraceFlags.SAMPLED}`,
    set: (facts) => void span.setAttributes(facts),
    end(errorType) {
      if (!span.isRecording()) return;
      if (errorType !== undefined) span.setAttribute('error.type', errorType).setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

const nothing = (): void => undefined;

function linkTo(traceparent: string | undefined): Link[] {
  return traceparent === undefined ? [] : [{ context: { ...partsOf(traceparent), isRemote: true } }];
}

/** The context of the span that has `key` in the trace of `traceparent`; without an exporter, `traceparent` itself. */
export function contextOf(traceparent: string, key: string): string {
  if (!tracing) return traceparent;
  const traceId = traceIdOf(traceparent);
  return `00-${traceId}-${spanIdOf(traceId, key)}-${traceparent.slice(53)}`;
}

function spanIdOf(traceId: string, key: string): string {
  return hash('sha256', `${traceId} ${key}`).slice(0, 16);
}

/** The context in which a trace begins without a span of its own. */
export function newTraceparent(): string {
  const fresh = traceparentFrom(undefined);
  return tracing && !tracing.isSampledRoot(traceIdOf(fresh)) ? `${fresh.slice(0, 53)}00` : fresh;
}

/** Runs `work` inside a span below `parent` and gives it the context to hand on. */
export async function withSpan<T>(name: string, options: SpanOptions, work: (traceparent: string, span: StartedSpan) => Promise<T>): Promise<T> {
  const span = startSpan(name, options);
  try {
    const result = await work(span.traceparent, span);
    span.end();
    return result;
  } catch (err) {
    span.end(errorTypeOf(err));
    throw err;
  }
}

/** What a span says of an error: its code or its class. */
export function errorTypeOf(err: unknown): string {
  const { code, name } = (err ?? {}) as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'error';
}

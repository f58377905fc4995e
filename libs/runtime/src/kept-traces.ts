import { SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';

const SPANS_MAX = 20_000;
const TRACES_MAX = 2000;

/**
 * Passes sampled spans on, and remembers the others for a while: as soon as one span of a trace has failed, all of that
 * trace that is remembered here is passed on, and all that follows. `tell` lets the other processes know.
 */
export class KeptTraces implements SpanProcessor {
  readonly #next: SpanProcessor;
  readonly #tell: (traceId: string) => void;
  readonly #spansMax: number;
  /** Spans that were not sampled, by trace; the trace that began longest ago first. */
  readonly #remembered = new Map<string, ReadableSpan[]>();
  readonly #kept = new Set<string>();
  #spans = 0;

  constructor(next: SpanProcessor, tell: (traceId: string) => void, spansMax: number = SPANS_MAX) {
    this.#next = next;
    this.#tell = tell;
    this.#spansMax = spansMax;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    const { traceId, traceFlags } = span.spanContext();
    if (traceFlags & TraceFlags.SAMPLED) return this.#next.onEnd(span);
    if (this.#kept.has(traceId)) return this.#next.onEnd(sampled(span));
    const spans = this.#remembered.get(traceId);
    if (spans) spans.push(span);
    else this.#remembered.set(traceId, [span]);
    this.#spans += 1;
    if (span.status.code === SpanStatusCode.ERROR) {
      this.keep(traceId);
      this.#tell(traceId);
    }
    while (this.#spans > this.#spansMax) this.#forgetOldest();
  }

  /** Passes on what is remembered of a trace, and whatever follows. */
  keep(traceId: string): void {
    if (this.#kept.has(traceId)) return;
    this.#kept.add(traceId);
    if (this.#kept.size > TRACES_MAX) for (const oldest of this.#kept) if (this.#kept.delete(oldest)) break;
    for (const span of this.#take(traceId)) this.#next.onEnd(sampled(span));
  }

  has(traceId: string): boolean {
    return this.#kept.has(traceId);
  }

  #forgetOldest(): void {
    for (const traceId of this.#remembered.keys()) {
      this.#take(traceId);
      return;
    }
  }

  #take(traceId: string): readonly ReadableSpan[] {
    const spans = this.#remembered.get(traceId) ?? [];
    this.#remembered.delete(traceId);
    this.#spans -= spans.length;
    return spans;
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}

/** The same span, marked as sampled: exporters pass over what is not. */
function sampled(span: ReadableSpan): ReadableSpan {
  const context = { ...span.spanContext(), traceFlags: TraceFlags.SAMPLED };
  return Object.create(span, { spanContext: { value: () => context } }) as ReadableSpan;
}

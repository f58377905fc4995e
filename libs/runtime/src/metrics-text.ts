import { AggregatorRegistry, collectDefaultMetrics, type OpenMetricsContentType, Registry } from 'prom-client';

/** The metrics of this thread; of this kind because only then they may have exemplars. */
export const registry = new Registry<OpenMetricsContentType>();
registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);

/** The metrics of a thread, as they travel to the one that serves them. */
export type MetricsOfThread = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What the type declarations of the library leave out. */
interface Value {
  readonly labels: object;
  readonly metricName?: string;
  exemplar?: { readonly timestamp: number } | null;
}

// The declaration does not know of the second parameter.
const aggregate = (threads: MetricsOfThread[], contentType: string): Registry => (AggregatorRegistry.aggregate as (threads: object[], contentType: string) => Registry)(threads, contentType);

const others: (() => Promise<MetricsOfThread>)[] = [];

/** Adds another thread of this process. */
export function addMetrics(read: () => Promise<MetricsOfThread>): void {
  others.push(read);
}

/** The metrics of this process for GET /metrics: as OpenMetrics, with exemplars, where `accept` names it, else in Prometheus' older text form. */
export async function metricsText(accept?: string): Promise<{ contentType: string; text: string }> {
  const contentType = accept?.includes('application/openmetrics-text') ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const threads = await Promise.all([registry.getMetricsAsJSON(), ...others.map((read) => read())]);
  const isOpen = contentType === Registry.OPENMETRICS_CONTENT_TYPE;
  const together = aggregate(isOpen ? threads.map((metrics) => metrics.map(withoutTotal)) : threads, contentType);
  if (isOpen) keepExemplars(await together.getMetricsAsJSON(), threads);
  return { contentType, text: await together.metrics() };
}

/** OpenMetrics names a counter without its `_total`, and the library adds it to each value again. */
function withoutTotal<M extends MetricsOfThread[number]>(metric: M): M {
  return String(metric.type) === 'counter' ? { ...metric, name: metric.name.replace(/_total$/, '') } : metric;
}

/** Adding threads up loses their exemplars: of each bucket the latest is put back. */
function keepExemplars(together: MetricsOfThread, threads: readonly MetricsOfThread[]): void {
  const latest = new Map<string, Value['exemplar']>();
  const keyOf = ({ metricName, labels }: Value): string => `${metricName}${JSON.stringify(Object.entries(labels).sort())}`;
  for (const metric of threads.flat()) {
    for (const value of metric.values as Value[]) {
      if (value.exemplar && !((latest.get(keyOf(value))?.timestamp ?? 0) > value.exemplar.timestamp)) latest.set(keyOf(value), value.exemplar);
    }
  }
  if (latest.size === 0) return;
  for (const metric of together) for (const value of metric.values as Value[]) if (value.metricName !== undefined) value.exemplar = latest.get(keyOf(value)) ?? null;
}

// As often, in milliseconds, is the event loop asked how late it is, and that much is part of each answer. The library's 10 take 0.8 % of a core from each idle process.
const EVENT_LOOP_EVERY_MS = 50;

/** Adds CPU, memory and event-loop metrics of the process; once per process. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_EVERY_MS });
  // Left out of sums by default; only one thread has it.
  Object.assign(registry.getSingleMetric('process_start_time_seconds') ?? {}, { aggregator: 'first' });
}

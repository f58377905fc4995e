import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The metrics of this thread. */
export const registry = new Registry();

/** The metrics of a thread, as they travel to the one that serves them. */
export type MetricsOfThread = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

const others: (() => Promise<MetricsOfThread>)[] = [];

/** Adds another thread of this process. */
export function addMetrics(read: () => Promise<MetricsOfThread>): void {
  others.push(read);
}

/** The metrics of this process in Prometheus' text form, for GET /metrics. */
export async function metricsText(): Promise<{ contentType: string; text: string }> {
  const threads = await Promise.all([registry.getMetricsAsJSON(), ...others.map((read) => read())]);
  return { contentType: registry.contentType, text: await AggregatorRegistry.aggregate(threads).metrics() };
}

/** Adds CPU, memory and event-loop metrics of the process; once per process. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics({ register: registry });
  // Left out of sums by default; only one thread has it.
  Object.assign(registry.getSingleMetric('process_start_time_seconds') ?? {}, { aggregator: 'first' });
}

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800];
const counter = <L extends string>(name: string, help: string, labelNames: L[]) => new Counter({ name, help, labelNames, registers: [registry] });
const TOKENS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048].map((thousands) => thousands * 1000);
const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets = SECONDS) => new Histogram({ name, help, labelNames, buckets, registers: [registry] });
const gauge = <L extends string>(name: string, help: string, labelNames: L[]) => new Gauge({ name, help, labelNames, registers: [registry] });

/** Every metric of the product. `work` is turn, tool_call or delivery; `service` the app; `pool` the pool whose work it is. */
export const metrics = {
  queueAge: histogram('nightshift_queue_age_seconds', 'Age of a due row when it was claimed.', ['work', 'pool']),
  streamsOpen: gauge('nightshift_streams_open', 'Event streams that clients read.', []),
  backlog: gauge('nightshift_backlog', 'Due rows that nobody holds.', ['work', 'pool']),
  oldestDue: gauge('nightshift_oldest_due_seconds', 'Age of the oldest due row that nobody holds.', ['work', 'pool']),
  leaseLost: counter('nightshift_lease_lost_total', 'Leases that another worker or a stop took away.', ['work', 'pool']),
  retries: counter('nightshift_retries_total', 'Attempts after the first.', ['work', 'pool']),
  deadLetters: counter('nightshift_dead_letters_total', 'Messages that could not be handled.', ['service', 'topic']),
  outboxBacklog: gauge('nightshift_outbox_backlog', 'Events committed and not yet published.', ['service']),
  consumerPaused: gauge('nightshift_consumer_paused', '1 while a consumer waits for its infrastructure.', ['service']),
  runDuration: histogram('nightshift_run_duration_seconds', 'From a run’s creation to its end.', ['status']),
  turnDuration: histogram('nightshift_turn_duration_seconds', 'One model turn.', ['outcome', 'pool']),
  upstreamAttempts: counter('nightshift_upstream_attempts_total', 'Model requests by what became of them: answered, or the code of the error.', ['upstream', 'outcome']),
  upstreamOpen: gauge('nightshift_upstream_open', '1 while an upstream is left alone because it failed too often.', ['upstream']),
  contextPeak: histogram('nightshift_run_context_peak_tokens', 'Estimated tokens of the largest model request of a run.', ['engine'], TOKENS),
  contextPruned: histogram('nightshift_run_pruned_tokens', 'Estimated tokens of a run that its last model request left out.', ['engine'], TOKENS),
  toolDuration: histogram('nightshift_tool_call_duration_seconds', 'One tool call.', ['outcome', 'pool']),
  deliveryDuration: histogram('nightshift_delivery_attempt_duration_seconds', 'One webhook attempt.', ['outcome']),
  deliveries: counter('nightshift_deliveries_total', 'Webhook attempts by what became of the delivery: delivered, pending, dead or canceled.', ['outcome']),
  firstAttemptDelay: histogram('nightshift_delivery_first_attempt_delay_seconds', 'From when a delivery was made to its first attempt.', []),
  endpointsDisabled: counter('nightshift_webhook_endpoints_disabled_total', 'Subscriptions that the server has disabled: gone (410) or failing.', ['reason']),
  poolConsumers: gauge('nightshift_pool_consumers', 'Processes that serve a pool, by service; 0 when its work waits.', ['pool', 'service']),
  poolWaiting: gauge('nightshift_pool_waiting', 'What waits for a pool: queued runs (of dedicated pools), due turns and tool calls.', ['pool', 'work']),
  poolOldest: gauge('nightshift_pool_oldest_seconds', 'For how long the oldest of it has waited.', ['pool', 'work']),
  httpDuration: histogram('nightshift_http_request_duration_seconds', 'One HTTP request.', ['service', 'route', 'status']),
};

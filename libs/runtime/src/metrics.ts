import { type Aggregator, Counter, Gauge, Histogram } from 'prom-client';
import { registry } from './metrics-text.ts';
import { isSampled } from './telemetry.ts';
import { traceIdOf } from './traceparent.ts';

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800];
const TOKENS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048].map((thousands) => thousands * 1000);

/** A histogram whose buckets name a trace as an example, where the observation belongs to one that is exported. */
export interface Observed<L extends string> {
  observe(labels: Readonly<Record<L, string>>, value: number, traceparent?: string): void;
}

const counter = <L extends string>(name: string, help: string, labelNames: L[]) => new Counter({ name, help, labelNames, registers: [registry] });

function histogram<L extends string>(name: string, help: string, labelNames: L[], buckets = SECONDS): Observed<L> {
  const observed = new Histogram({ name, help, labelNames, buckets, registers: [registry], enableExemplars: true });
  return {
    observe(labels, value, traceparent) {
      const isExample = traceparent !== undefined && isSampled(traceparent);
      observed.observe({ labels, value, ...(isExample && { exemplarLabels: { trace_id: traceIdOf(traceparent) } as never }) });
    },
  };
}

/** `together`: how the threads of one process are taken together, `max` where each measures the same. */
const gauge = <L extends string>(name: string, help: string, labelNames: L[], together: Aggregator = 'sum') => new Gauge({ name, help, labelNames, aggregator: together, registers: [registry] });

/** Every metric of the product. `work` is turn, tool_call or delivery; `service` the app; `pool` whose capacity it is. */
export const metrics = {
  queueAge: histogram('nightshift_queue_age_seconds', 'Age of a due row when it was claimed.', ['work', 'pool']),
  claimDuration: histogram('nightshift_claim_duration_seconds', 'One claim of due rows.', ['work', 'pool']),
  backlog: gauge('nightshift_backlog', 'Due rows that could be worked on, and that nobody holds.', ['work', 'pool']),
  oldestDue: gauge('nightshift_oldest_due_seconds', 'Age of the oldest of them.', ['work', 'pool']),
  blocked: gauge('nightshift_blocked', 'Due rows that may not be worked on now, by the reason.', ['work', 'pool', 'reason']),
  leaseLost: counter('nightshift_lease_lost_total', 'Leases that another worker or a stop took away.', ['work', 'pool']),
  retries: counter('nightshift_retries_total', 'Attempts after the first.', ['work', 'pool']),
  deadLetters: counter('nightshift_dead_letters_total', 'Messages that could not be handled.', ['service', 'topic']),
  deadLettersWaiting: gauge('nightshift_dead_letters_waiting', 'Dead letters that nobody has redriven or dropped yet.', ['service'], 'max'),
  outboxBacklog: gauge('nightshift_outbox_backlog', 'Events committed and not yet published.', ['service'], 'max'),
  outboxOldest: gauge('nightshift_outbox_oldest_seconds', 'Age of the oldest event that is not yet published.', ['service'], 'max'),
  consumerPaused: gauge('nightshift_consumer_paused', '1 while a consumer waits for its infrastructure.', ['service'], 'max'),
  dependencyUp: gauge('nightshift_dependency_up', '1 while PostgreSQL, Kafka, Redis, or a service behind a gateway answers, else 0.', ['service', 'dependency'], 'min'),
  connectionLosses: counter('nightshift_connection_losses_total', 'How often PostgreSQL, Kafka or Redis went away from a process.', ['dependency']),
  databaseConnections: gauge('nightshift_database_connections', 'Connections of a process to PostgreSQL: active or idle; and statements that wait for one: waiting.', ['service', 'state']),
  runDuration: histogram('nightshift_run_duration_seconds', 'From a run’s creation to its end.', ['status']),
  runStartDelay: histogram('nightshift_run_start_delay_seconds', 'From a run’s creation to its first turn.', ['pool']),
  turnDuration: histogram('nightshift_turn_duration_seconds', 'One model turn.', ['outcome', 'pool']),
  upstreamAttempts: counter('nightshift_upstream_attempts_total', 'Model requests by what became of them: answered, or the code of the error.', ['upstream', 'outcome']),
  upstreamFirstToken: histogram('nightshift_upstream_first_token_seconds', 'From a model request to the first piece of its reply.', ['upstream']),
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
  usageTokens: counter('nightshift_usage_tokens_total', 'Tokens that billing has counted: input or output.', ['org', 'kind']),
  usageCost: counter('nightshift_usage_cost_usd_total', 'What the counted tokens cost, in US dollars.', ['org']),
  usageRuns: counter('nightshift_usage_runs_total', 'Ended runs that billing has counted.', ['org']),
  usageDisagrees: gauge('nightshift_usage_disagreements', 'Ended runs whose counted usage is not what the run says.', []),
  streamsOpen: gauge('nightshift_streams_open', 'Event streams that clients read.', []),
  httpDuration: histogram('nightshift_http_request_duration_seconds', 'One HTTP request.', ['service', 'route', 'status']),
};

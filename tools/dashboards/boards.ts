import type { Dashboard } from './grafana.ts';
import { duration, quantile, rate, share, total } from './queries.ts';

const POOL = { name: 'pool', label: 'Pool', metric: 'nightshift_backlog' };
const ORG = { name: 'org', label: 'Organisation', metric: 'nightshift_usage_tokens_total' };

const overview: Dashboard = {
  uid: 'nightshift-overview',
  title: 'Nightshift / Overview',
  description: 'Is anybody waiting, and does anything fail?',
  rows: [
    {
      title: 'Now',
      panels: [
        { title: 'Runs ended', description: 'Per second.', unit: 'ops', isNumber: true, queries: [{ expr: 'sum(rate(nightshift_run_duration_seconds_count[5m]))', legend: 'runs' }] },
        { title: 'Runs that fail', description: 'Failed or timed out, of those that ended.', unit: 'percentunit', isNumber: true, queries: [{ expr: 'sum(rate(nightshift_run_duration_seconds_count{status=~"failed|timed_out"}[5m])) / (sum(rate(nightshift_run_duration_seconds_count[5m])) > 0)', legend: 'failed' }] },
        { title: 'Oldest due work', description: 'Scale by this. Below a second is normal.', unit: 's', isNumber: true, queries: [{ expr: 'max(nightshift_oldest_due_seconds)', legend: 'oldest' }] },
        { title: 'Dead letters', description: 'Messages that wait for an operator. Zero is normal.', unit: 'short', isNumber: true, queries: [{ expr: 'sum(max by (service) (nightshift_dead_letters_waiting))', legend: 'waiting' }] },
        { title: 'Consumers paused', description: 'Services whose consumer waits for PostgreSQL or another service.', unit: 'short', isNumber: true, queries: [{ expr: 'sum(max by (service) (nightshift_consumer_paused))', legend: 'paused' }] },
        { title: 'Usage that disagrees', description: 'Ended runs whose counted usage is not what the run says.', unit: 'short', isNumber: true, queries: [{ expr: 'max(nightshift_usage_disagreements)', legend: 'runs' }] },
      ],
    },
    {
      title: 'API',
      panels: [
        { title: 'Requests', description: 'To the public API, by status.', unit: 'reqps', queries: [{ expr: rate('nightshift_http_request_duration_seconds_count', 'status', '{service="gateway"}'), legend: '{{status}}' }] },
        duration('Response time', 'Of the public API; streams and waits take as long as their runs.', 'nightshift_http_request_duration_seconds', '{service="gateway", route!~".*(stream|wait|chat).*"}'),
        { title: 'Event streams', description: 'That clients read.', unit: 'short', queries: [{ expr: 'sum(nightshift_streams_open)', legend: 'open' }] },
      ],
    },
    {
      title: 'Work',
      panels: [
        { title: 'Oldest due row', description: 'That nobody holds, by kind of work and pool.', unit: 's', queries: [{ expr: 'max by (work, pool) (nightshift_oldest_due_seconds)', legend: '{{work}} {{pool}}' }] },
        { title: 'Backlog', description: 'Due rows that nobody holds, up to 10,000.', unit: 'short', queries: [{ expr: 'max by (work, pool) (nightshift_backlog)', legend: '{{work}} {{pool}}' }] },
        { title: 'Outbox', description: 'Age of the oldest event that is not yet published.', unit: 's', queries: [{ expr: 'max by (service) (nightshift_outbox_oldest_seconds)', legend: '{{service}}' }] },
      ],
    },
    {
      title: 'Infrastructure',
      panels: [
        { title: 'Answers', description: '1 while PostgreSQL, Kafka, Redis and the services behind the gateways answer.', unit: 'short', queries: [{ expr: 'min by (dependency) (nightshift_dependency_up)', legend: '{{dependency}}' }] },
        { title: 'Connections lost', description: 'Per minute.', unit: 'short', queries: [{ expr: 'sum by (dependency) (rate(nightshift_connection_losses_total[$__rate_interval])) * 60', legend: '{{dependency}}' }] },
        { title: 'Database connections', description: 'Of all processes of a service; waiting are statements that have none.', unit: 'short', queries: [{ expr: 'sum by (service, state) (nightshift_database_connections{state!="idle"})', legend: '{{service}} {{state}}' }] },
      ],
    },
  ],
};

const runs: Dashboard = {
  uid: 'nightshift-runs',
  title: 'Nightshift / Runs',
  description: 'From the request to the end of a run.',
  choices: [POOL],
  rows: [
    {
      title: 'Runs',
      panels: [
        { title: 'Ended', description: 'By how.', unit: 'ops', queries: [{ expr: rate('nightshift_run_duration_seconds_count', 'status'), legend: '{{status}}' }] },
        duration('From creation to end', 'All runs, with what they waited.', 'nightshift_run_duration_seconds'),
        duration('From creation to first turn', 'Queue, commits and bus. Told when a run has ended.', 'nightshift_run_start_delay_seconds', '{pool=~"$pool"}'),
      ],
    },
    {
      title: 'Context',
      panels: [
        { title: 'Largest request', description: 'Estimated tokens of the largest model request of a run.', unit: 'short', queries: [{ expr: quantile(0.95, 'nightshift_run_context_peak_tokens', 'engine'), legend: '{{engine}} p95' }] },
        { title: 'Pruned', description: 'Estimated tokens that the last model request of a run left out.', unit: 'short', queries: [{ expr: quantile(0.95, 'nightshift_run_pruned_tokens', 'engine'), legend: '{{engine}} p95' }] },
        { title: 'Dead letters', description: 'New ones per minute, by who could not handle them.', unit: 'short', queries: [{ expr: 'sum by (service, topic) (rate(nightshift_dead_letters_total[$__rate_interval])) * 60', legend: '{{service}} {{topic}}' }] },
      ],
    },
  ],
};

const engine: Dashboard = {
  uid: 'nightshift-engine',
  title: 'Nightshift / Engine',
  description: 'Model turns, and the servers that answer them.',
  choices: [POOL, { name: 'upstream', label: 'Upstream', metric: 'nightshift_upstream_attempts_total' }],
  rows: [
    {
      title: 'Turns',
      panels: [
        { title: 'Turns', description: 'By outcome.', unit: 'ops', queries: [{ expr: rate('nightshift_turn_duration_seconds_count', 'outcome', '{pool=~"$pool"}'), legend: '{{outcome}}' }] },
        duration('One turn', 'Prompt, model and decision.', 'nightshift_turn_duration_seconds', '{pool=~"$pool"}'),
        duration('Age when claimed', 'How long a due turn has waited for a slot.', 'nightshift_queue_age_seconds', '{work="turn", pool=~"$pool"}'),
        { title: 'Backlog', description: 'Turns that wait for a slot.', unit: 'short', queries: [{ expr: 'max by (pool) (nightshift_backlog{work="turn", pool=~"$pool"})', legend: '{{pool}}' }] },
        { title: 'Again', description: 'Turns that are tried again, and leases that were lost, per second.', unit: 'ops', queries: [{ expr: total('nightshift_retries_total', '{work="turn"}'), legend: 'retries' }, { expr: total('nightshift_lease_lost_total', '{work="turn"}'), legend: 'leases lost' }] },
      ],
    },
    {
      title: 'Upstreams',
      panels: [
        { title: 'Requests', description: 'By what became of them.', unit: 'reqps', queries: [{ expr: rate('nightshift_upstream_attempts_total', 'upstream, outcome', '{upstream=~"$upstream"}'), legend: '{{upstream}} {{outcome}}' }] },
        { title: 'First token', description: 'From a request to the first piece of its reply.', unit: 's', hasExemplars: true, queries: [0.5, 0.95].map((q) => ({ expr: quantile(q, 'nightshift_upstream_first_token_seconds', 'upstream', '{upstream=~"$upstream"}'), legend: `{{upstream}} p${q * 100}` })) },
        { title: 'Left alone', description: '1 while an upstream is not asked because it failed too often.', unit: 'short', queries: [{ expr: 'max by (upstream) (nightshift_upstream_open{upstream=~"$upstream"})', legend: '{{upstream}}' }] },
      ],
    },
  ],
};

const tools: Dashboard = {
  uid: 'nightshift-tools',
  title: 'Nightshift / Tools',
  description: 'Tool calls.',
  choices: [POOL],
  rows: [
    {
      title: 'Calls',
      panels: [
        { title: 'Calls', description: 'By outcome: ok, or the code that the model was told.', unit: 'ops', queries: [{ expr: rate('nightshift_tool_call_duration_seconds_count', 'outcome', '{pool=~"$pool"}'), legend: '{{outcome}}' }] },
        duration('One call', 'As long as the tool takes.', 'nightshift_tool_call_duration_seconds', '{pool=~"$pool"}'),
        { title: 'Errors', description: 'Calls that were answered with an error, of all.', unit: 'percentunit', queries: [{ expr: share(total('nightshift_tool_call_duration_seconds_count', '{outcome!="ok", pool=~"$pool"}'), total('nightshift_tool_call_duration_seconds_count', '{pool=~"$pool"}')), legend: 'errors' }] },
      ],
    },
    {
      title: 'Queue',
      panels: [
        duration('Age when claimed', 'How long a due call has waited for a slot, or for others of its host.', 'nightshift_queue_age_seconds', '{work="tool_call", pool=~"$pool"}'),
        { title: 'Backlog', description: 'Calls that wait.', unit: 'short', queries: [{ expr: 'max by (pool) (nightshift_backlog{work="tool_call", pool=~"$pool"})', legend: '{{pool}}' }] },
        { title: 'Again', description: 'Requests that are tried again, and leases that were lost, per second.', unit: 'ops', queries: [{ expr: total('nightshift_retries_total', '{work="tool_call"}'), legend: 'retries' }, { expr: total('nightshift_lease_lost_total', '{work="tool_call"}'), legend: 'leases lost' }] },
      ],
    },
  ],
};

const webhooks: Dashboard = {
  uid: 'nightshift-webhooks',
  title: 'Nightshift / Webhooks',
  description: 'Deliveries and their attempts.',
  rows: [
    {
      title: 'Attempts',
      panels: [
        { title: 'What became of deliveries', description: 'After each attempt: delivered, tried again later, or given up.', unit: 'ops', queries: [{ expr: rate('nightshift_deliveries_total', 'outcome'), legend: '{{outcome}}' }] },
        { title: 'Answers', description: 'Attempts by what the endpoint did.', unit: 'ops', queries: [{ expr: rate('nightshift_delivery_attempt_duration_seconds_count', 'outcome'), legend: '{{outcome}}' }] },
        duration('One attempt', 'As long as the endpoint takes.', 'nightshift_delivery_attempt_duration_seconds'),
      ],
    },
    {
      title: 'Lateness',
      panels: [
        duration('First attempt', 'From when a delivery was made to its first attempt: what the server itself adds.', 'nightshift_delivery_first_attempt_delay_seconds'),
        { title: 'Backlog', description: 'Deliveries that are due and that nobody holds.', unit: 'short', queries: [{ expr: 'max(nightshift_backlog{work="delivery"})', legend: 'deliveries' }] },
        { title: 'Endpoints disabled', description: 'Subscriptions that the server has disabled, per hour.', unit: 'short', queries: [{ expr: 'sum by (reason) (increase(nightshift_webhook_endpoints_disabled_total[1h]))', legend: '{{reason}}' }] },
      ],
    },
  ],
};

const billing: Dashboard = {
  uid: 'nightshift-billing',
  title: 'Nightshift / Billing',
  description: 'What is used, and whether it is counted right.',
  rows: [
    {
      title: 'Usage',
      panels: [
        { title: 'Tokens', description: 'Counted, per second.', unit: 'short', queries: [{ expr: rate('nightshift_usage_tokens_total', 'kind'), legend: '{{kind}}' }] },
        { title: 'Cost', description: 'Per hour, at the prices of the catalogue.', unit: 'currencyUSD', queries: [{ expr: 'sum(rate(nightshift_usage_cost_usd_total[$__rate_interval])) * 3600', legend: 'per hour' }] },
        { title: 'Runs', description: 'Counted as ended, per second.', unit: 'ops', queries: [{ expr: total('nightshift_usage_runs_total'), legend: 'runs' }] },
      ],
    },
    {
      title: 'Is it right?',
      panels: [
        { title: 'Runs that disagree', description: 'Their counted usage is not what they say. Zero is normal.', unit: 'short', queries: [{ expr: 'max(nightshift_usage_disagreements)', legend: 'runs' }] },
        { title: 'Ended and counted', description: 'Both curves are one, a moment apart.', unit: 'ops', queries: [{ expr: total('nightshift_run_duration_seconds_count'), legend: 'ended' }, { expr: total('nightshift_usage_runs_total'), legend: 'counted' }] },
        { title: 'Dead letters of billing', description: 'What could not be counted.', unit: 'short', queries: [{ expr: 'max(nightshift_dead_letters_waiting{service="billing"})', legend: 'waiting' }] },
      ],
    },
  ],
};

const tenant: Dashboard = {
  uid: 'nightshift-tenant',
  title: 'Nightshift / Tenant',
  description: 'One organisation’s use, and one pool’s capacity.',
  choices: [ORG, POOL],
  rows: [
    {
      title: 'Organisation',
      panels: [
        { title: 'Tokens', description: 'Counted, per second.', unit: 'short', queries: [{ expr: rate('nightshift_usage_tokens_total', 'org, kind', '{org=~"$org"}'), legend: '{{org}} {{kind}}' }] },
        { title: 'Cost', description: 'Per hour.', unit: 'currencyUSD', queries: [{ expr: 'sum by (org) (rate(nightshift_usage_cost_usd_total{org=~"$org"}[$__rate_interval])) * 3600', legend: '{{org}}' }] },
        { title: 'Runs', description: 'Ended, per second.', unit: 'ops', queries: [{ expr: rate('nightshift_usage_runs_total', 'org', '{org=~"$org"}'), legend: '{{org}}' }] },
      ],
    },
    {
      title: 'Pool',
      panels: [
        { title: 'First turn', description: 'From a run’s creation.', unit: 's', hasExemplars: true, queries: [{ expr: quantile(0.99, 'nightshift_run_start_delay_seconds', 'pool', '{pool=~"$pool"}'), legend: '{{pool}} p99' }] },
        { title: 'Waits for the longest', description: 'Of queued runs, due turns and calls; also in a pool without processes.', unit: 's', queries: [{ expr: 'max by (work, pool) (nightshift_pool_oldest_seconds{pool=~"$pool"})', legend: '{{work}} {{pool}}' }] },
        { title: 'Waits', description: 'Up to 10,000 of each kind.', unit: 'short', queries: [{ expr: 'max by (work, pool) (nightshift_pool_waiting{pool=~"$pool"})', legend: '{{work}} {{pool}}' }] },
        { title: 'Processes', description: 'That serve the pool. Zero: its work waits.', unit: 'short', queries: [{ expr: 'max by (pool, service) (nightshift_pool_consumers{pool=~"$pool"})', legend: '{{pool}} {{service}}' }] },
        { title: 'Turns', description: 'By pool.', unit: 'ops', queries: [{ expr: rate('nightshift_turn_duration_seconds_count', 'pool', '{pool=~"$pool"}'), legend: '{{pool}}' }] },
        { title: 'Tool calls', description: 'By pool.', unit: 'ops', queries: [{ expr: rate('nightshift_tool_call_duration_seconds_count', 'pool', '{pool=~"$pool"}'), legend: '{{pool}}' }] },
      ],
    },
  ],
};

/** All dashboards, by the name of their file. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = { overview, runs, engine, tools, webhooks, billing, tenant };

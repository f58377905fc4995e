import { hotStatement, type Statement, statement } from '@nightshift/postgres';

/** Counts turns, each (run, step) once; returns, by organisation, what was new. */
export const COUNT_TURNS = hotStatement(
  'billing.count_turns',
  `with counted as (
   insert into billing.usage_events (run_id, step, org_id, api_key_id, engine, input_tokens, output_tokens, cached_input_tokens, tool_calls, cost_micro_usd, recorded_at)
   select "runId", step, "orgId", "apiKeyId", engine, "inputTokens", "outputTokens", "cachedInputTokens", "toolCalls", "costMicroUsd", "recordedAt"
   from json_to_recordset($1::json) as x("runId" text, step int, "orgId" text, "apiKeyId" text, engine text, "inputTokens" bigint, "outputTokens" bigint,
     "cachedInputTokens" bigint, "toolCalls" int, "costMicroUsd" bigint, "recordedAt" timestamptz)
   order by 1, 2
   on conflict (run_id, step) do nothing
   returning org_id, input_tokens, output_tokens, cost_micro_usd
   )
   select org_id as "orgId", sum(input_tokens)::bigint as "inputTokens", sum(output_tokens)::bigint as "outputTokens", sum(cost_micro_usd)::bigint as "costMicroUsd" from counted group by 1`,
);

/** Counts runs that have ended, each once; returns, by organisation, how many were new. */
export const COUNT_RUNS = hotStatement(
  'billing.count_runs',
  `with counted as (
   insert into billing.finished_runs (run_id, org_id, api_key_id, engine, completed_at, input_tokens, output_tokens)
   select "runId", "orgId", "apiKeyId", engine, "completedAt", "inputTokens", "outputTokens"
   from json_to_recordset($1::json) as x("runId" text, "orgId" text, "apiKeyId" text, engine text, "completedAt" timestamptz, "inputTokens" bigint, "outputTokens" bigint)
   order by 1
   on conflict (run_id) do nothing
   returning org_id
   )
   select org_id as "orgId", count(*)::int as runs from counted group by 1`,
);

/** Sums of the organisation $1 from $2 until before $3: a row per key, and one whose `key` is null for all of them. */
export const REPORTS = {
  none: report('none', 'null::text', 'null::text', '()'),
  day: report('day', utcDay('recorded_at'), utcDay('completed_at')),
  engine: report('engine', 'engine', 'engine'),
  key: report('key', 'api_key_id', 'api_key_id'),
};

/** How many milliseconds until the organisation $1, and its key $3, have used fewer than $2 and $4 tokens within a minute; null for a limit that is null. */
export const TOKENS_WAIT = statement(
  'billing.tokens_wait',
  `with turns as (
     select api_key_id, recorded_at, input_tokens + output_tokens as tokens from billing.usage_events where org_id = $1 and recorded_at > now() - interval '1 minute'
   ), by_org as (
     select recorded_at, sum(tokens) over (order by recorded_at desc) as since from turns
   ), by_key as (
     select recorded_at, sum(tokens) over (order by recorded_at desc) as since from turns where api_key_id = $3
   )
   select ${untilBelow('by_org', '$2::bigint')} as "orgMs", ${untilBelow('by_key', '$4::bigint')} as "keyMs"`,
);

/** The newest turn with which the limit was reached has to be a minute old; what came after it is below. */
function untilBelow(turns: string, limit: string): string {
  return `(select greatest(0, ceil(extract(epoch from max(recorded_at) + interval '1 minute' - now()) * 1000))::int from ${turns} where since >= ${limit})`;
}

function utcDay(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD')`;
}

function report(name: string, turnKey: string, runKey: string, sets: string = '(key), ()'): Statement {
  return statement(
    `billing.report_by_${name}`,
    `select ${sets === '()' ? 'null' : 'key'} as key, coalesce(sum("inputTokens"), 0)::bigint as "inputTokens", coalesce(sum("outputTokens"), 0)::bigint as "outputTokens",
       coalesce(sum("cachedInputTokens"), 0)::bigint as "cachedInputTokens", coalesce(sum("toolCalls"), 0)::bigint as "toolCalls",
       coalesce(sum(runs), 0)::bigint as runs, coalesce(sum("costMicroUsd"), 0)::bigint as "costMicroUsd"
     from (
       select ${turnKey} as key, input_tokens as "inputTokens", output_tokens as "outputTokens", cached_input_tokens as "cachedInputTokens",
         tool_calls as "toolCalls", 0 as runs, cost_micro_usd as "costMicroUsd"
       from billing.usage_events where org_id = $1 and recorded_at >= $2 and recorded_at < $3
       union all
       select ${runKey}, 0, 0, 0, 0, 1, 0 from billing.finished_runs where org_id = $1 and completed_at >= $2 and completed_at < $3
     ) counted
     group by grouping sets (${sets}) order by key nulls first`,
  );
}

import { z } from 'zod';

/** Query of GET /v1/usage: ISO times, the current month by default. */
export const UsageQuery = z.object({
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  groupBy: z.enum(['day', 'engine', 'key']).optional(),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

const Totals = z.object({
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  cachedInputTokens: z.number().int(),
  toolCalls: z.number().int(),
  runs: z.number().int().describe('Runs that ended in the period.'),
  costMicroUsd: z.number().int().describe('Millionths of a US dollar.'),
});
export type UsageTotals = z.infer<typeof Totals>;

const TokensPerMinute = z.coerce.number().int().positive().optional();

/** gateway → billing: how long until an organisation, and a key of it, are below so many tokens in the last minute? */
export const TokensWaitQuery = z.object({ orgId: z.string(), orgTokens: TokensPerMinute, apiKeyId: z.string(), keyTokens: TokensPerMinute });
export type TokensWaitQuery = z.infer<typeof TokensWaitQuery>;

/** billing → gateway: 0 for who is below, or has no limit. */
export const TokensWait = z.object({ orgMs: z.number().int().nonnegative(), keyMs: z.number().int().nonnegative() });
export type TokensWait = z.infer<typeof TokensWait>;

/** Reply of GET /v1/usage. Only what is committed is counted; days are UTC. */
export const UsageReport = z
  .object({ from: z.iso.datetime(), to: z.iso.datetime(), total: Totals, groups: z.array(Totals.extend({ key: z.string() })) })
  .meta({ id: 'UsageReport' });
export type UsageReport = z.infer<typeof UsageReport>;

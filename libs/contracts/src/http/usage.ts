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

/** Reply of GET /v1/usage. Only what is committed is counted; days are UTC. */
export const UsageReport = z
  .object({ from: z.iso.datetime(), to: z.iso.datetime(), total: Totals, groups: z.array(Totals.extend({ key: z.string() })) })
  .meta({ id: 'UsageReport' });
export type UsageReport = z.infer<typeof UsageReport>;

/** The value that `share` (0 to 1) of the values are not above; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

export type Spread = { readonly count: number; readonly p50: number; readonly p99: number; readonly max: number };

/** Median, 99th percentile and maximum. */
export function spread(values: readonly number[]): Spread {
  return { count: values.length, p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: quantile(values, 1) };
}

/** How many of the spans were open on average between two times: what was really in flight. */
export function meanOpen(spans: readonly { readonly from: number; readonly to: number }[], from: number, to: number): number {
  const open = spans.reduce((sum, span) => sum + Math.max(0, Math.min(span.to, to) - Math.max(span.from, from)), 0);
  return open / (to - from);
}

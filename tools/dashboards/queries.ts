import type { Panel, Query } from './grafana.ts';

const WINDOW = '$__rate_interval';

/** Things per second of a counter, summed by `by`. */
export function rate(metric: string, by: string, matchers = ''): string {
  return `sum by (${by}) (rate(${metric}${matchers}[${WINDOW}]))`;
}

/** Things per second altogether. */
export function total(metric: string, matchers = ''): string {
  return `sum(rate(${metric}${matchers}[${WINDOW}]))`;
}

/** How much `part` is of `whole`, both as `total` gives them. */
export function share(part: string, whole: string): string {
  return `${part} / (${whole} > 0)`;
}

/** The quantile `q` of a histogram, over all of it or by labels. */
export function quantile(q: number, histogram: string, by = '', matchers = ''): string {
  return `histogram_quantile(${q}, sum by (${by === '' ? 'le' : `${by}, le`}) (rate(${histogram}_bucket${matchers}[${WINDOW}])))`;
}

/** Half, one in twenty and one in a hundred of a duration. */
export function quantiles(histogram: string, matchers = ''): Query[] {
  return [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, histogram, '', matchers), legend: `p${q * 100}` }));
}

/** How long something takes, with traces as examples. */
export function duration(title: string, description: string, histogram: string, matchers = ''): Panel {
  return { title, description, unit: 's', queries: quantiles(histogram, matchers), hasExemplars: true };
}

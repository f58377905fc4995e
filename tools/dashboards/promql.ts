import { parser } from '@prometheus-io/lezer-promql';

/** What one selector of a PromQL expression names. */
export interface Selected {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** What a PromQL expression names. */
export interface Named {
  readonly selectors: readonly Selected[];
  /** Labels of `by`, `without`, `on` and the like. */
  readonly grouping: readonly string[];
}

/** Reads an expression; Grafana's own variables may stand in it. Throws with the place of what cannot be parsed. */
export function readPromql(expr: string): Named {
  const text = expr.replaceAll(/\$__(rate_)?interval/g, '5m');
  const selectors: { metric: string; labels: string[] }[] = [];
  const grouping: string[] = [];
  parser.parse(text).iterate({
    enter({ type, from, to, node }) {
      const word = text.slice(from, to);
      if (type.isError) throw new Error(`PromQL that cannot be parsed at ${from}: ${text}`);
      if (type.name === 'VectorSelector') selectors.push({ metric: '', labels: [] });
      else if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') Object.assign(selectors.at(-1) ?? {}, { metric: word });
      else if (type.name === 'LabelName' && node.parent?.name === 'GroupingLabels') grouping.push(word);
      else if (type.name === 'LabelName') selectors.at(-1)?.labels.push(word);
    },
  });
  return { selectors, grouping };
}

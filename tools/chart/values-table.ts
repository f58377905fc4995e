/** The table of the chart's values, out of the comments of values.yaml. */
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

type Row = { readonly path: string; readonly value: string; readonly meaning: string };

/** Values that are explained as a whole where they stand. */
const whole = new Set(['podSecurityContext', 'containerSecurityContext', 'defaults.resources', 'migrations.resources', 'topics.resources', 'defaults.autoscaling.behavior', 'defaults.probes.startup', 'defaults.probes.liveness', 'defaults.probes.readiness', 'monitoring.dashboards.labels', 'config', 'apps']);
const meanings: Readonly<Record<string, string>> = { labels: 'Further labels', annotations: 'Further annotations', interval: 'How often', scrapeTimeout: 'How long one reading may take', relabelings: 'As the operator has them', metricRelabelings: 'As the operator has them', groups: 'Further groups' };

function rowsOf(map: YAMLMap, prefix: string, inherited: string): Row[] {
  let last = inherited;
  return map.items.flatMap((pair, index): Row[] => {
    const { key, value } = pair;
    if (!isScalar(key)) return [];
    const path = `${prefix}${String(key.value)}`;
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    const own = comment?.split('\n\n').at(-1)?.split('\n').map((line) => line.trim()).join(' ').trim();
    const meaning = own ?? meanings[String(key.value)] ?? last;
    if (own !== undefined) last = own;
    if (isMap(value) && value.items.length > 0 && !whole.has(path)) return rowsOf(value, `${path}.`, meaning);
    return [{ path, value: JSON.stringify((value as { toJSON?: () => unknown } | null)?.toJSON?.() ?? null), meaning }];
  });
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** The table in Markdown: key, default, meaning; one row for each value. Throws on one without a comment. */
export function valuesTable(yaml: string): string {
  const { contents } = parseDocument(yaml);
  if (!isMap(contents)) throw new Error('the values are no map');
  const rows = rowsOf(contents as YAMLMap, '', '');
  const silent = rows.find(({ meaning }) => meaning === '');
  if (silent) throw new Error(`${silent.path} has no comment`);
  return ['| key | default | |', '|---|---|---|', ...rows.map(({ path, value, meaning }) => `| \`${path}\` | ${value.length > 100 ? 'see `values.yaml`' : `\`${cell(value)}\``} | ${cell(meaning)} |`)].join('\n');
}

const marks = ['<!-- values: begin -->', '<!-- values: end -->'] as const;

/** A page with the table between its marks brought up to date. */
export function withValuesTable(page: string, yaml: string): string {
  const [before = '', rest = ''] = page.split(marks[0]);
  const after = rest.split(marks[1])[1];
  if (after === undefined) throw new Error('the page has no place for the values');
  return `${before}${marks[0]}\n${valuesTable(yaml)}\n${marks[1]}${after}`;
}

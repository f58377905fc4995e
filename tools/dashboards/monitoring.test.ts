import { describe, expect, test } from '@jest/globals';
import { metrics, registry } from '@nightshift/runtime';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { DASHBOARDS } from './boards.ts';
import { render } from './grafana.ts';
import { readPromql } from './promql.ts';

type Rule = { alert: string; expr: string; for?: string; labels: Record<string, string>; annotations: Record<string, string> };
type Metric = { name: string; type: string; labelNames: string[] };

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const groups = (parse(read('charts/nightshift/files/alerts.yaml')) as { groups: { name: string; rules: Rule[] }[] }).groups;
const rules = groups.flatMap((group) => group.rules);
const queries = Object.values(DASHBOARDS).flatMap(({ rows }) => rows.flatMap(({ panels }) => panels.flatMap((panel) => panel.queries.map(({ expr }) => expr))));

/** What a query may name: each metric of the product as it is scraped, with its labels. */
const scraped = new Map(
  (registry.getMetricsAsArray() as unknown as Metric[])
    .filter(({ name }) => name.startsWith('nightshift_'))
    .flatMap(({ name, type, labelNames }) => {
      const parts = String(type) === 'histogram' ? [[`${name}_bucket`, [...labelNames, 'le']], [`${name}_sum`, labelNames], [`${name}_count`, labelNames]] : [[name, labelNames]];
      return parts as [string, string[]][];
    }),
);
/** Labels that Prometheus adds to whatever it scrapes, the last one by the chart's monitors. */
const OF_TARGETS = ['namespace', 'pod', 'job', 'instance', 'nightshift_pool'];

function problems(expr: string): string[] {
  const { selectors, grouping } = readPromql(expr);
  const known = new Set([...OF_TARGETS, ...selectors.flatMap(({ metric }) => scraped.get(metric) ?? [])]);
  return [
    ...selectors.flatMap(({ metric, labels }) => {
      const own = scraped.get(metric);
      return own ? labels.filter((label) => !own.includes(label) && !OF_TARGETS.includes(label)).map((label) => `${metric} has no label ${label}`) : [`no such metric: ${metric}`];
    }),
    ...grouping.filter((label) => !known.has(label)).map((label) => `nothing in ${expr} has a label ${label}`),
  ];
}

test('all metrics are registered under names of the product', () => {
  expect(scraped.size).toBeGreaterThan(Object.keys(metrics).length);
});

describe('a PromQL expression', () => {
  test('that cannot be parsed, or names what nobody measures, is found', () => {
    expect(() => readPromql('sum(rate(nightshift_backlog[5m])')).toThrow('cannot be parsed');
    expect(problems('sum by (wrok) (nightshift_backlog{poole="x"}) + nightshift_backlogs')).toEqual(['nightshift_backlog has no label poole', 'no such metric: nightshift_backlogs', expect.stringContaining('has a label wrok')]);
  });

  test.each([...new Set(queries)])('of a dashboard names what is measured: %s', (expr) => expect(problems(expr)).toEqual([]));

  test.each(rules.map(({ alert, expr }) => [alert, expr]))('of the alert %s names what is measured', (_alert, expr) => expect(problems(expr)).toEqual([]));
});

describe('dashboards', () => {
  test('in the chart are those that node tools/dashboards.ts writes', () => {
    const written = Object.fromEntries(globSync('charts/nightshift/files/dashboards/*.json', { cwd: root }).map((path) => [basename(path, '.json'), JSON.parse(read(path)) as unknown]));
    expect(written).toEqual(Object.fromEntries(Object.entries(DASHBOARDS).map(([name, dashboard]) => [name, render(dashboard)])));
  });

  test('have addresses of their own, say of each panel what one sees, and offer what their queries ask for', () => {
    const boards = Object.values(DASHBOARDS);
    expect(new Set(boards.map(({ uid }) => uid)).size).toBe(boards.length);
    for (const { choices = [], rows } of boards) {
      const text = rows.flatMap(({ panels }) => panels.flatMap((panel) => panel.queries.map(({ expr }) => expr))).join(' ');
      const asked = [...text.matchAll(/\$([a-z]+)/g)].map(([, name]) => name);
      expect(new Set(asked)).toEqual(new Set(choices.map(({ name }) => name)));
      for (const { name, metric } of choices) expect(scraped.get(metric)).toContain(name);
      expect(rows.flatMap(({ panels }) => panels.filter(({ description, queries: all }) => description.length < 4 || all.length === 0))).toEqual([]);
    }
  });
});

describe('alerts', () => {
  test('say how bad it is, what is wrong and where it is explained', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect([alert, labels['severity']]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)]);
      expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook_url', 'summary']);
      expect(annotations['runbook_url']).toBe(`docs/runbooks/${pageOf(alert)}.md`);
    }
  });

  test('have a page each, which says what it means, where to look, what to do and when to call somebody; and there are no others', () => {
    const pages = globSync('docs/runbooks/*.md', { cwd: root }).map((path) => basename(path, '.md')).filter((name) => name !== 'README');
    expect(pages.sort()).toEqual(rules.map(({ alert }) => pageOf(alert)).sort());
    for (const { alert } of rules) {
      const page = read(`docs/runbooks/${pageOf(alert)}.md`);
      expect(page.split('\n')[0]).toBe(`# ${alert}`);
      expect([alert, ...[...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)]).toEqual([alert, 'Means', 'Look', 'Do', 'Call']);
    }
    const index = read('docs/runbooks/README.md');
    for (const page of pages) expect(index).toContain(`(${page}.md)`);
  });

  test('show values in their texts only of labels that the expression keeps', () => {
    for (const { alert, expr, annotations } of rules) {
      const kept = readPromql(expr).grouping;
      const used = [...Object.values(annotations).join(' ').matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
      expect([alert, used.filter((label) => !kept.includes(label!))]).toEqual([alert, []]);
    }
  });
});

test('the table of metrics in docs/operating.md and the metrics that are registered are the same, with their labels', () => {
  const rows = [...read('docs/operating.md').matchAll(/^\| `(nightshift_\w+)` \| ([^|]*) \|/gm)].map(([, name, labels]) => `${name}{${[...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label).join(',')}}`);
  const registered = (registry.getMetricsAsArray() as unknown as Metric[]).filter(({ name }) => name.startsWith('nightshift_')).map(({ name, labelNames }) => `${name}{${labelNames.join(',')}}`);
  expect(rows.sort()).toEqual(registered.sort());
});

/** `NightshiftQueueOld` → `queue-old`. */
function pageOf(alert: string): string {
  return alert.replace(/^Nightshift/, '').replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}

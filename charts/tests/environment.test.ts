/** What the chart says of the services is what they are: their variables, their callers, their topics. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { TOPICS } from '@nightshift/contracts';
import { type App, APPS, parseConfig } from '@nightshift/runtime';
import { acceptedTokens, type ClusterEnvironment } from '@nightshift/service';
import { parse } from 'yaml';
import { valuesSchema } from '../../tools/chart/schema.ts';
import { withValuesTable } from '../../tools/chart/values-table.ts';
import { variablesByApp } from '../../tools/chart/variables.ts';
import { environmentSchema } from '../../tools/nightshift/apps.ts';
import { chart, chartFile, type Manifest, manifests, podOf, root } from './chart.ts';

const defined = (file: string, name: string): unknown => parse(new RegExp(`define "${name}" -}}\\n(.*?){{- end`, 's').exec(readFileSync(join(chart, 'templates', file), 'utf8'))?.[1] ?? '');

test('the variables of each app are up to date (node tools/chart/write.ts)', () => {
  expect(chartFile('files/environment.json')).toEqual(variablesByApp());
});

test('the schema of the values is up to date (node tools/chart/write.ts)', () => {
  expect(chartFile('values.schema.json')).toEqual(JSON.parse(JSON.stringify(valuesSchema())));
});

describe('the environment that the chart gives', () => {
  /** As the kubelet works it out: the ConfigMap, then the entries, which may name earlier ones. */
  function environmentOf(deployment: Manifest, objects: Manifest[]): Record<string, string> {
    const named = (kind: string, name: string) => objects.find((object) => object.kind === kind && object.metadata.name === name)?.['data'] as Record<string, string>;
    const container = podOf(deployment)?.spec.containers[0] as { envFrom: { configMapRef: { name: string } }[]; env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[] };
    const env = Object.assign({}, ...container.envFrom.map(({ configMapRef }) => named('ConfigMap', configMapRef.name))) as Record<string, string>;
    for (const { name, value, valueFrom } of container.env) {
      const ref = valueFrom?.secretKeyRef;
      env[name] = ref ? Buffer.from(named('Secret', ref.name)?.[ref.key] ?? '', 'base64').toString() : (value ?? '').replaceAll(/\$\(([A-Z_]+)\)/g, (_, other: string) => env[other] ?? '');
    }
    return env;
  }

  test.each(APPS)('is valid for %s', async (app) => {
    const objects = await manifests('minimal');
    const deployment = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === `r-nightshift-${app}`);
    const result = parseConfig((await environmentSchema(app)) as typeof ClusterEnvironment, { env: environmentOf(deployment as Manifest, objects) });
    expect(result).toMatchObject({ ok: true, config: { HOST: '0.0.0.0', PORT: 8080, METRICS_PORT: 9464, SERVICE_TOKEN: `token-of-${app}`, KAFKA_BROKERS: ['kafka:9092'] } });
    const callers = (defined('_environment.tpl', 'nightshift.callers') as Record<App, string[]>)[app];
    expect(result.ok && [...acceptedTokens(result.config)]).toEqual(callers.map((caller) => [caller, `token-of-${caller}`]));
  });
});

test('those who call a service are those whose code does', () => {
  const called = (app: App) => [...new Set(globSync('src/**/*.ts', { cwd: join(root, 'apps', app) }).flatMap((path) => [...readFileSync(join(root, 'apps', app, path), 'utf8').matchAll(/around\.client\('([a-z-]+)'\)/g)].map(([, name]) => name as App)))];
  const callees: Partial<Record<App, App[]>> = { gateway: APPS.filter((app) => app !== 'gateway') };
  const callers = Object.fromEntries(APPS.map((app) => [app, APPS.filter((caller) => (callees[caller] ?? called(caller)).includes(app)).sort()]));
  const said = defined('_environment.tpl', 'nightshift.callers') as Record<App, string[]>;
  expect(Object.fromEntries(Object.entries(said).map(([app, names]) => [app, [...names].sort()]))).toEqual(callers);
});

test('what only consumes is scaled by the topics that it consumes', () => {
  const consumed = defined('_keda.tpl', 'nightshift.consumed') as Record<string, string[]>;
  for (const [app, topics] of Object.entries(consumed)) {
    expect(topics).toEqual(Object.entries(TOPICS).filter(([, { to }]) => (to as readonly string[]).includes(app)).map(([topic]) => topic));
  }
});

test('what claims work is scaled by its own table', () => {
  const work = defined('_keda.tpl', 'nightshift.work') as Record<string, { work: string; table: string }>;
  for (const [app, { work: name, table }] of Object.entries(work)) {
    const sources = globSync('src/*.ts', { cwd: join(root, 'apps', app) }).map((path) => readFileSync(join(root, 'apps', app, path), 'utf8')).join('\n');
    expect(sources).toContain(`name: '${table}'`);
    expect(sources).toContain(`observeWork('${name}'`);
  }
});

test('the table of the values is up to date (node tools/chart/write.ts)', () => {
  const page = readFileSync(join(root, 'docs/kubernetes.md'), 'utf8');
  expect(withValuesTable(page, readFileSync(join(chart, 'values.yaml'), 'utf8'))).toBe(page);
});

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { APPS, parseConfig } from '@nightshift/runtime';
import { MigrationsEnvironment, TopicsEnvironment } from '@nightshift/service';
import type { z } from 'zod';
import { runCommand } from '../command.ts';
import { goProgram } from '../infrastructure/go.ts';
import { environmentSchema } from '../nightshift/apps.ts';

type Mount = { type: string; source: string; target: string };
type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string | number | null>;
  volumes?: Mount[];
  depends_on?: Record<string, { condition: string }>;
  ports?: { target: number; host_ip?: string }[];
  read_only?: boolean;
  user?: string;
};

const docker = join(import.meta.dirname, '../../docker');
const ours: Record<string, z.ZodObject> = {
  ...Object.fromEntries(await Promise.all(APPS.map(async (app) => [app, await environmentSchema(app)] as const))),
  migrate: MigrationsEnvironment,
  topics: TopicsEnvironment,
};
let services: Record<string, Service>;
let secrets: string;

/** The file as Compose itself reads it, with what it says of a file that is wrong. */
async function load(file: string): Promise<Record<string, Service>> {
  const model = JSON.parse(await runCommand(await goProgram('compose-go'), ['-format', 'json', file], { cwd: docker, quiet: true, env: { PATH: process.env['PATH'] } })) as { services: Record<string, Service> };
  return model.services;
}

beforeAll(async () => {
  services = await load('compose.yaml');
  secrets = mkdtempSync(join(tmpdir(), 'secrets-'));
  for (const app of APPS) mkdirSync(join(secrets, app));
  await runCommand(process.execPath, [join(docker, 'secrets.mjs'), secrets]);
}, 240_000);
afterAll(() => rmSync(secrets, { recursive: true, force: true }));

test('all services are started, after what they need has done its work', () => {
  for (const app of APPS) {
    expect([app, services[app]?.image, services[app]?.read_only]).toEqual([app, `nightshift/${app}:local`, true]);
    expect(Object.entries(services[app]?.depends_on ?? {}).map(([name, { condition }]) => `${name} ${condition}`).toSorted()).toEqual([
      'migrate service_completed_successfully', 'redis service_healthy', 'secrets service_completed_successfully', 'topics service_completed_successfully',
    ]);
  }
});

describe.each(Object.keys(ours))('the environment of %s', (name) => {
  const schema = ours[name]!;
  const given = () => Object.fromEntries(Object.entries(services[name]?.environment ?? {}).map(([variable, value]) => [variable, String(value ?? '').replace(/^\/secrets\//, `${secrets}/${name}/`)]));

  test('has no variable that it does not read', () => {
    const known = (variable: string) => [variable, variable.replace(/_FILE$/, '')].some((candidate) => candidate in schema.shape);
    expect(Object.keys(given()).filter((variable) => !known(variable))).toEqual([]);
  });

  test('is valid, with the secrets that secrets.mjs has made for it', () => {
    expect(parseConfig(schema, { env: given() })).toMatchObject({ ok: true });
  });
});

test('what one service says to another is accepted there, and secrets are kept when they are made again', async () => {
  const read = (app: string, name: string) => readFileSync(join(secrets, app, name), 'utf8').trim();
  const all = () => APPS.map((app) => read(app, 'service-token')).concat(read('gateway', 'seal-public-key'), read('tool-executor', 'seal-private-key'), read('webhook-dispatcher', 'encryption-key'));
  const before = all();
  await runCommand(process.execPath, [join(docker, 'secrets.mjs'), secrets]);
  expect(all()).toEqual(before);
  for (const app of APPS) expect(read(app, 'service-tokens')).toBe(APPS.map((caller) => `${caller}:${read(caller, 'service-token')}`).join(','));
});

test('the services are called by names that there are, on the port that the image listens on', () => {
  const image = readFileSync(join(docker, 'Dockerfile'), 'utf8');
  const urls = Object.entries(services['gateway']?.environment ?? {}).filter(([name]) => name.endsWith('_URL') && !/^(DATABASE|REDIS|UPSTREAM_BASE)_/.test(name));
  expect(urls).toHaveLength(5);
  for (const [name, url] of urls) expect(url).toBe(`http://${name.slice(0, -'_URL'.length).toLowerCase().replaceAll('_', '-')}:8080`);
  expect(image).toContain(' PORT=8080');
});

test('every file that is mounted is there, and nothing but this machine reaches a port', () => {
  const files = Object.values(services).flatMap(({ volumes = [] }) => volumes.filter(({ type }) => type === 'bind').map(({ source }) => source));
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((path) => !existsSync(path))).toEqual([]);
  expect(Object.values(services).flatMap(({ ports = [] }) => ports.filter(({ host_ip: host }) => host !== '127.0.0.1'))).toEqual([]);
});

test('Prometheus asks each service on the port where its metrics are', () => {
  const targets = [...readFileSync(join(docker, 'prometheus.yml'), 'utf8').matchAll(/targets: \["([^"]+)"\]/g)].map(([, target]) => target);
  expect(targets.toSorted()).toEqual(APPS.map((app) => `${app}:${services[app]?.environment?.['METRICS_PORT']}`).toSorted());
});

import { createHash } from 'node:crypto';
import { globSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release as systemRelease, totalmem } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { expectedTopics, TopicAdmin } from '@nightshift/messaging';
import type { Command } from 'commander';
import { createTarGzip } from 'nanotar';
import { action, examples, type Said, type Shell } from './action.ts';
import { AdminApi } from './admin-api.ts';
import { databaseFacts } from './bundle/database-facts.ts';
import { errorKind, tellableLog } from './bundle/log-lines.ts';
import { askAll, endOf, environmentsOf, keptSecrets } from './bundle/process-facts.ts';
import { redact, secretsIn, shownConfiguration } from './bundle/redact.ts';
import { deadLetters } from './dead-letters.ts';
import { EXIT, Failure } from './failure.ts';
import type { Endpoint, Installation } from './installation.ts';
import { kafkaOf } from './kafka.ts';
import { countOption } from './limits.ts';
import { version } from './version.ts';

interface BundleOptions {
  readonly output?: string;
  readonly service?: string[];
  readonly metrics?: string[];
  readonly log?: string[];
  readonly lines: number;
}

interface File {
  readonly name: string;
  readonly text: string;
}

const LINES = 1000;
const DEAD_LETTERS_MAX = 2000;

/** `support-bundle`. */
export function addSupportBundle(program: Command, shell: Shell): void {
  const command = program
    .command('support-bundle')
    .description('gather what an expert asks for first, without secrets and payloads, in one .tar.gz')
    .option('-o, --output <path>', 'the file to write (nightshift-support-<time>.tar.gz)')
    .option('--service <name=url...>', 'processes whose /ready is asked, besides those of a local installation')
    .option('--metrics <name=url...>', 'where their metrics are')
    .option('--log <path...>', 'logs besides those of a local cluster, as JSON lines')
    .option('--lines <count>', 'lines of each log', countOption, LINES)
    .action(action<BundleOptions>(shell, (installation, _, options) => bundle(installation, options)));
  examples(command, [
    ['nightshift support-bundle', 'of the installation beside it'],
    ['nightshift support-bundle --service runs=http://runs:8080 --metrics runs=http://runs:9090/metrics', 'within a cluster'],
    ['kubectl logs deploy/runs > runs.log; nightshift support-bundle --log runs.log', 'with logs from elsewhere'],
  ]);
}

async function bundle(installation: Installation, options: BundleOptions): Promise<Said> {
  const problems: { what: string; problem: string }[] = [];
  // A part that cannot be had is what is looked for, often enough: it is noted, and the others are gathered.
  const part = async (what: string, gather: () => Promise<File[]> | File[]): Promise<File[]> => {
    try {
      return await gather();
    } catch (err) {
      problems.push({ what, problem: err instanceof Failure ? err.message : ((err as { code?: string }).code ?? (err instanceof Error ? err.name : 'failed')) });
      return [];
    }
  };
  const services = [...installation.services, ...endpointsOf(options)];
  const processes = environmentsOf(installation.dataDir);
  const files = (
    await Promise.all([
      part('versions', () => [json('versions', { nightshift: version(), node: process.version, system: `${platform()} ${systemRelease()} ${arch()}`, cpus: cpus().length, memoryBytes: totalmem() })]),
      part('configuration', () => [json('configuration/command', shownConfiguration(installation.env)), ...processes.map(({ name, env }) => json(`configuration/${name}`, shownConfiguration(env)))]),
      part('services', () => askAll(services)),
      part('database', () => ofDatabase(installation)),
      part('kafka', () => ofKafka(installation)),
      part('dead letters', () => ofDeadLetters(installation)),
      part('logs', () => [...globSync(join(installation.dataDir, 'cluster/*.log')), ...(options.log ?? [])].map((path) => ({ name: `logs/${basename(path)}`, text: tellableLog(endOf(path), options.lines) }))),
    ])
  ).flat();
  const secrets = [...secretsIn(installation.env), ...processes.flatMap(({ env }) => secretsIn(env)), ...keptSecrets(installation.dataDir)];
  const told = [...files, json('problems', problems)].map(({ name, text }) => ({ name, text: redact(text, secrets) }));
  const output = resolve(options.output ?? `nightshift-support-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}.tar.gz`);
  const archive = await createTarGzip(told.map(({ name, text }) => ({ name: `nightshift-support/${name}`, data: text, attrs: { mode: '600' } })));
  write(output, archive);
  const sha256 = createHash('sha256').update(archive).digest('hex');
  return {
    json: { file: output, bytes: archive.length, sha256, files: told.map(({ name }) => name), problems },
    text: [`${output} (${told.length} files, ${archive.length} bytes)`, ...problems.map(({ what, problem }) => `  without ${what}: ${problem}`), 'It holds no secrets and no payloads; look into it before you send it on.'].join('\n'),
  };
}

function write(path: string, archive: Uint8Array): void {
  try {
    writeFileSync(path, archive, { mode: 0o600 });
  } catch (err) {
    throw new Failure(EXIT.usage, `cannot write ${path}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
}

function endpointsOf({ service = [], metrics = [] }: BundleOptions): Endpoint[] {
  const pair = (entry: string): [string, string] => {
    const [, name = '', url = ''] = /^([\w.-]+)=(https?:\/\/.+)$/.exec(entry) ?? [];
    if (name === '') throw new Failure(EXIT.usage, `"${entry}" is not <name>=<url>`);
    return [name, url.replace(/\/$/, '')];
  };
  const metricsOf = new Map(metrics.map(pair));
  return service.map(pair).map(([name, url]) => ({ name, url, metricsUrl: metricsOf.get(name) }));
}

async function ofDatabase({ env }: Installation): Promise<File[]> {
  const url = env['DATABASE_URL'];
  if (url === undefined) throw new Failure(EXIT.usage, 'DATABASE_URL is not set');
  return Object.entries(await databaseFacts(url)).map(([name, facts]) => json(`database/${name}`, facts));
}

async function ofKafka(installation: Installation): Promise<File[]> {
  if (installation.env['KAFKA_BROKERS'] === undefined) return [];
  const kafka = new TopicAdmin(kafkaOf(installation));
  try {
    const names = expectedTopics((installation.env['POOLS'] ?? '').split(',').filter((pool) => pool !== ''));
    return [json('kafka/topics', await kafka.list(names)), json('kafka/groups', await kafka.groups(names))];
  } finally {
    await kafka.close();
  }
}

/** How many there are of each kind, and since when. */
async function ofDeadLetters(installation: Installation): Promise<File[]> {
  const letters = await deadLetters(new AdminApi(installation), {}, DEAD_LETTERS_MAX);
  const kinds = Map.groupBy(letters, ({ service, topic, error }) => `${service} ${topic} ${errorKind(error)}`);
  const told = [...kinds.values()].flatMap(([first, ...rest]) => (first === undefined ? [] : [{ service: first.service, topic: first.topic, error: errorKind(first.error), count: rest.length + 1, newest: first.createdAt, oldest: rest.at(-1)?.createdAt ?? first.createdAt }]));
  return [json('dead-letters', told)];
}

function json(name: string, value: unknown): File {
  return { name: `${name}.json`, text: `${JSON.stringify(value, null, 2)}\n` };
}

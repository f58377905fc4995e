import { setTimeout as delay } from 'node:timers/promises';
import { expectedTopics, TopicAdmin } from '@nightshift/messaging';
import { type App, APPS, parseConfig } from '@nightshift/runtime';
import { ClusterEnvironment, KafkaEnvironment } from '@nightshift/service';
import { type Command, Option } from 'commander';
import { Redis } from 'ioredis';
import { parseReplicas } from '../cluster/plan.ts';
import { action, examples, type Said, type Shell } from './action.ts';
import { CHECKABLE, type Checkable, environmentSchema } from './apps.ts';
import { type Check, fail, judge, ok } from './check.ts';
import { checkPostgres } from './check-postgres.ts';
import { EXIT, Failure, reasonOf } from './failure.ts';
import type { Environment, Installation } from './installation.ts';
import { kafkaOf } from './kafka.ts';

interface CheckOptions {
  readonly app: Checkable;
  readonly replicas?: string;
}

const REDIS_TIMEOUT_MS = 5000;
/** Two threads with a few for each service. */
const STANDALONE_CONNECTIONS = 36;

/** `check-config`. */
export function addCheckConfig(program: Command, shell: Shell): void {
  const command = program
    .command('check-config')
    .description('check an environment before an app is started in it: variables, PostgreSQL, Kafka, Redis')
    .addOption(new Option('--app <app>', 'whose environment it is').choices(CHECKABLE).makeOptionMandatory())
    .option('--replicas <list>', 'processes of all services, as app=count,…; one of each by default')
    .action(action<CheckOptions>(shell, (installation, _, options) => check(installation, options)));
  examples(command, [
    ['nightshift check-config --app runs', 'the environment of this shell'],
    ['nightshift check-config --app gateway --env-file gateway.env', 'with the variables of a file added'],
    ['nightshift check-config --app runs --replicas gateway=4,runs=3', 'do the connections fit?'],
  ]);
}

async function check({ env }: Installation, { app, replicas }: CheckOptions): Promise<Said> {
  const connections = connectionsOf(app, replicas, env);
  const checks = [...(await checkVariables(app, env)), ...(await checkServers(app, env, connections))];
  const failed = checks.filter(({ state }) => state === 'fail').length;
  const lines = checks.map(({ name, state, detail, advice }) => `${state.padEnd(4)}  ${name}: ${detail}${advice === undefined ? '' : `\n      ${advice}`}`);
  return {
    json: { app, ok: failed === 0, checks },
    text: [...lines, '', failed === 0 ? `${app} can be started with this` : `${failed} of ${checks.length} checks failed`].join('\n'),
    exitCode: failed === 0 ? EXIT.done : EXIT.trouble,
  };
}

function connectionsOf(app: Checkable, replicas: string | undefined, env: Environment): number {
  if (app === 'standalone') return STANDALONE_CONNECTIONS;
  const { DATABASE_CONNECTIONS_MAX: setting } = ClusterEnvironment.shape;
  // The environment is that of one app: of the others it says nothing.
  const own = setting.catch(0).parse(env['DATABASE_CONNECTIONS_MAX']);
  const others = setting.parse(undefined);
  try {
    const counts = parseReplicas(replicas, APPS);
    return APPS.reduce((sum, name) => sum + (counts.get(name) ?? 1) * (name === app ? own : others), 0);
  } catch (err) {
    throw new Failure(EXIT.usage, reasonOf(err).replace('REPLICAS', '--replicas'), { cause: err });
  }
}

async function checkVariables(app: Checkable, env: Environment): Promise<Check[]> {
  const result = parseConfig(await environmentSchema(app), { env });
  if (result.ok) return [ok('environment', 'every variable can be read')];
  return result.problems.map((problem) => fail('environment', problem, 'docs/configuration.md describes it'));
}

async function checkServers(app: Checkable, env: Environment, connections: number): Promise<Check[]> {
  const named = parseConfig(ClusterEnvironment.pick({ DATABASE_URL: true }), { env });
  const url = named.ok ? named.config.DATABASE_URL : undefined;
  const apps: readonly App[] = app === 'standalone' ? APPS : [app];
  const postgres = url === undefined ? [] : await checkPostgres({ url, sslMode: env['PGSSLMODE'] }, apps, connections);
  if (app === 'standalone') return url === undefined ? [ok('postgres', 'the embedded one, made at the first start')] : postgres;
  return [...postgres, ...(await checkKafka(env)), ...(await checkRedis(env))];
}

// What is missing or wrong in the environment itself was said already.
async function checkKafka(env: Environment): Promise<Check[]> {
  if (!parseConfig(KafkaEnvironment, { env }).ok) return [];
  const address = kafkaOf({ env });
  const kafka = new TopicAdmin(address);
  try {
    const brokers = await kafka.brokers();
    const pool = env['POOL'];
    const topics = await kafka.list(expectedTopics(pool === undefined || pool === '' || pool === 'shared' ? [] : [pool]));
    const missing = topics.filter(({ partitions }) => partitions === 0).length;
    const behind = topics.filter(({ underReplicated }) => underReplicated > 0).map(({ name }) => name);
    return [
      ok('kafka', `${address.brokers.join(',')}, ${brokers === 1 ? '1 broker' : `${brokers} brokers`}`),
      judge('topics', behind.length > 0, `${topics.length - missing} of ${topics.length}${missing > 0 ? '; the rest is made when it is needed' : ''}${behind.length > 0 ? `; under-replicated: ${behind.join(', ')}` : ''}`, 'bring the missing brokers back'),
    ];
  } catch (err) {
    return [fail('kafka', `${address.brokers.join(',')}: ${reasonOf(err)}`, 'KAFKA_BROKERS, KAFKA_SSL_* and KAFKA_SASL_* must reach brokers from here')];
  } finally {
    await kafka.close();
  }
}

async function checkRedis(env: Environment): Promise<Check[]> {
  const parsed = parseConfig(ClusterEnvironment.pick({ REDIS_URL: true }), { env });
  if (!parsed.ok) return [];
  const redis = new Redis(parsed.config.REDIS_URL, { lazyConnect: true, connectTimeout: REDIS_TIMEOUT_MS, maxRetriesPerRequest: 0, retryStrategy: () => null });
  const answered = new AbortController();
  let trouble: unknown;
  redis.on('error', (err) => (trouble = err));
  try {
    // Connecting includes asking whether it is ready, which a server that says nothing never answers.
    const info = await Promise.race([redis.connect().then(() => redis.info('server')), delay(REDIS_TIMEOUT_MS, undefined, { signal: answered.signal })]);
    if (info === undefined) throw new Error(`no answer in ${REDIS_TIMEOUT_MS / 1000} s`);
    return [ok('redis', `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1] ?? 'of unknown version'}`)];
  } catch (err) {
    return [fail('redis', reasonOf(trouble ?? err), 'REDIS_URL must name a Redis that can be reached from here, such as redis://:password@host:6379')];
  } finally {
    answered.abort();
    redis.disconnect();
  }
}

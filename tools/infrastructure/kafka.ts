import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, stablePort } from '@nightshift/runtime';
import { runCommand } from '../command.ts';
import { cached } from './cache.ts';
import { fetchLibraries, java } from './maven.ts';
import { type Server, startServer } from './server.ts';

const version = '4.1.1';
const jdkMin = 17;
const jvmFlags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-XX:-UsePerfData', '-XX:+ExitOnOutOfMemoryError', '-Xms128m', '-Xmx384m'];

// The one logger at info tells that the server is up.
const loggerSettings = {
  'defaultLogLevel': 'warn',
  'log.kafka.server.KafkaRaftServer': 'info',
  'showDateTime': 'true',
  'dateTimeFormat': 'yyyy-MM-dd HH:mm:ss.SSS',
};

// One node that answers fast and stays small; everything else is Kafka's default.
const settings = {
  'process.roles': 'broker,controller',
  'node.id': 1,
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  // After a kill the controller waits this long before it lets the same broker in again.
  'broker.session.timeout.ms': 3000,
  'broker.heartbeat.interval.ms': 500,
  'auto.create.topics.enable': false,
  'default.replication.factor': 1,
  'min.insync.replicas': 1,
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': 4,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': 1,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 1,
  'group.initial.rebalance.delay.ms': 0,
  'group.min.session.timeout.ms': 1000,
  'group.coordinator.append.linger.ms': 0,
  'group.coordinator.threads': 1,
  'num.network.threads': 2,
  'num.io.threads': 4,
  'background.threads': 2,
  'num.recovery.threads.per.data.dir': 2,
  'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
  'log.segment.bytes': 64 * 1024 * 1024,
  'log.index.size.max.bytes': 1024 * 1024,
  'log.retention.hours': 24,
};

async function requireJava(): Promise<void> {
  const install = `a JDK ${jdkMin} or newer, for instance with \`apt-get install openjdk-17-jdk-headless\``;
  let output: string;
  try {
    output = await runCommand(java(), ['-version'], { quiet: true });
  } catch (err) {
    throw new Error(`Kafka needs Java: install ${install}`, { cause: err });
  }
  const found = /version "(\d+)/.exec(output)?.[1];
  if (Number(found) < jdkMin) throw new Error(`Kafka needs Java ${jdkMin}, found ${found}: install ${install}`);
}

function libraries(): Promise<string> {
  return cached(`kafka-${version}`, async (directory) => {
    console.error(`nightshift: fetching Kafka ${version} from Maven Central (43 MB, once for all clones)`);
    await fetchLibraries(directory, [`org.apache.kafka:kafka_2.13:${version}`, 'org.slf4j:slf4j-simple:1.7.36'], 'Kafka');
  });
}

/** Fetches what `startKafka` needs if it is not cached yet. Throws with what to install when something is missing. */
export async function provisionKafka(): Promise<void> {
  await Promise.all([requireJava(), libraries()]);
}

/**
 * Starts a broker on 127.0.0.1 with its files in `dataDir`, on the port given, else on that of last time.
 * `address` is the broker list. What it has acknowledged outlives its process, not the machine.
 */
export async function startKafka({ dataDir, port }: { dataDir: string; port?: number }): Promise<Server> {
  await requireJava();
  const classpath = join(await libraries(), 'libs', '*');
  const logs = join(dataDir, 'data');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const own = port ?? (await stablePort(join(dataDir, 'port')));
  const controller = await freePort();
  const properties = join(dataDir, 'server.properties');
  const all = {
    ...settings,
    'listeners': `PLAINTEXT://127.0.0.1:${own},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${own}`,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    'log.dirs': logs,
  };
  writeFileSync(properties, Object.entries(all).map(([name, value]) => `${name}=${value}\n`).join(''));
  const logging = Object.entries(loggerSettings).map(([name, value]) => `-Dorg.slf4j.simpleLogger.${name}=${value}`);
  const jvm = [...jvmFlags, ...logging, '-cp', classpath];
  if (!existsSync(join(logs, 'meta.properties'))) {
    // `=`, because one id in 64 starts with a dash and would be read as an option of its own.
    const clusterId = `--cluster-id=${randomBytes(16).toString('base64url')}`;
    await runCommand(java(), [...jvm, 'kafka.tools.StorageTool', 'format', clusterId, '-c', properties], { quiet: true });
  }
  const address = `127.0.0.1:${own}`;
  return startServer({
    name: 'kafka',
    address,
    command: java(),
    args: [...jvm, 'kafka.Kafka', properties],
    cwd: dataDir,
    logFile: join(dataDir, 'kafka.log'),
    timeoutMs: 90_000,
    isReady: (logged) => logged.includes('Kafka Server started'),
  });
}

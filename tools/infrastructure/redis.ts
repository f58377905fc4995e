import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { stablePort } from '@nightshift/runtime';
import { runCommand } from '../command.ts';
import { cached } from './cache.ts';
import { type Server, startServer } from './server.ts';

type Program = { command: string; env: NodeJS.ProcessEnv };

async function runs({ command, env }: Program): Promise<boolean> {
  try {
    await runCommand(command, ['--version'], { quiet: true, env });
    return true;
  } catch {
    return false;
  }
}

// Debian's own, unpacked into the cache with the libraries it lacks here: nothing is installed on the machine.
function unpacked(): Promise<string> {
  return cached(`redis-debian-${process.arch}`, async (directory) => {
    console.error("nightshift: fetching redis-server from Debian's packages (once for all clones)");
    const lists = join(directory, 'lists');
    const archives = join(directory, 'archives');
    const root = join(directory, 'root');
    for (const path of [lists, archives, root]) mkdirSync(path);
    const fetch = async (options: string[]) => {
      const simulated = await runCommand('apt-get', [...options, '--simulate', '--no-install-recommends', 'install', 'redis-server'], { quiet: true });
      const packages = [...simulated.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name ?? '');
      // As root apt would hand the files to an account of its own, which cannot write here.
      await runCommand('apt-get', [...options, '-o', 'APT::Sandbox::User=root', 'download', ...new Set([...packages, 'redis-server', 'redis-tools'])], { quiet: true, cwd: archives });
    };
    try {
      await fetch([]);
    } catch {
      // The machine's own lists are missing or old: private ones need no rights.
      const own = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${archives}`, '-o', 'APT::Sandbox::User=root'];
      await runCommand('apt-get', [...own, 'update'], { quiet: true });
      await fetch(own);
    }
    for (const archive of globSync('*.deb', { cwd: archives })) await runCommand('dpkg', ['-x', join(archives, archive), root], { quiet: true });
  });
}

function unpackedProgram(directory: string): Program {
  const root = join(directory, 'root');
  const libraryPath = globSync(['usr/lib/*-linux-*', 'lib/*-linux-*', 'usr/lib'], { cwd: root }).map((path) => join(root, path)).join(':');
  return { command: join(root, 'usr/bin/redis-server'), env: { ...process.env, LD_LIBRARY_PATH: libraryPath } };
}

async function findProgram(): Promise<Program> {
  const installed = { command: 'redis-server', env: process.env };
  if (await runs(installed)) return installed;
  const advice = 'install it so that `redis-server` is on the PATH, for instance with `apt-get install redis-server`';
  let program: Program;
  try {
    program = unpackedProgram(await unpacked());
  } catch (err) {
    throw new Error(`Redis could not be fetched: ${advice} (${err instanceof Error ? err.message.split('\n')[0] : String(err)})`, { cause: err });
  }
  if (!(await runs(program))) throw new Error(`${program.command} does not run on this system: ${advice}`);
  return program;
}

/** Fetches what `startRedis` needs if it is not there yet. Throws with what to install when it cannot be had. */
export async function provisionRedis(): Promise<void> {
  await findProgram();
}

/** Starts a server on 127.0.0.1 with its files in `dataDir`, on the port given, else on that of last time. `address` is its URL. */
export async function startRedis({ dataDir, port }: { dataDir: string; port?: number }): Promise<Server> {
  const { command, env } = await findProgram();
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const own = port ?? (await stablePort(join(dataDir, 'port')));
  const config = join(dataDir, 'redis.conf');
  // A process title would overwrite the environment, by which a process left behind is found.
  const lines = ['set-proc-title no', 'bind 127.0.0.1', `port ${own}`, 'daemonize no', 'save ""', 'appendonly yes', 'appendfsync everysec', 'dir .'];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return startServer({
    name: 'redis',
    address: `redis://127.0.0.1:${own}`,
    command,
    args: [config],
    env,
    cwd: dataDir,
    logFile: join(dataDir, 'redis.log'),
    timeoutMs: 30_000,
    isReady: () => answersPing(own),
  });
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1000 }, () => socket.write('PING\r\n'));
    const finish = (isReady: boolean) => {
      socket.destroy();
      settle(isReady);
    };
    socket.once('data', (reply) => finish(reply.toString().startsWith('+PONG')));
    socket.once('error', () => finish(false)).once('timeout', () => finish(false)).once('end', () => finish(false));
  });
}

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, localSecrets } from '@nightshift/runtime';
import { planServices } from '../cluster/plan.ts';
import { runCommand } from '../command.ts';
import { type Server, startServer } from '../infrastructure/server.ts';

/** Nothing of our own environment reaches a tree but the mark by which a process that was left running is found. */
export const bare = { NIGHTSHIFT_TEST_RUN: process.env['NIGHTSHIFT_TEST_RUN'] ?? '' };

/** The process reads nothing but its own tree and what the kernel tells of it, and writes nothing at all. */
const confined = (tree: string) => ['--permission', `--allow-fs-read=${tree}/`, '--allow-fs-read=/proc/', '--allow-worker'];

/** Runs a program of a tree to its end; gives what it printed. */
export function runProgram(tree: string, program: string, env: Record<string, string>): Promise<string> {
  return runCommand(process.execPath, [...confined(tree), join(tree, program)], { cwd: '/', quiet: true, env: { ...bare, ...env } });
}

async function answersReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(2000) });
    return response.ok && ((await response.json()) as { status: string }).status === 'ready';
  } catch {
    // Not yet; what it says when it never is, the log has.
    return false;
  }
}

/** Starts an app from its tree, somewhere else, and waits until it is ready and misses nothing. */
export async function startFromTree(tree: string, { folder, port, env, flags = confined(tree) }: { folder: string; port: number; env: Record<string, string>; flags?: string[] }): Promise<Server> {
  mkdirSync(folder, { recursive: true });
  return startServer({
    name: tree,
    address: `http://127.0.0.1:${port}`,
    command: process.execPath,
    args: [...flags, '--enable-source-maps', join(tree, 'main.js')],
    env: { ...bare, ...env },
    cwd: '/',
    logFile: join(folder, 'app.log'),
    timeoutMs: 100_000,
    isReady: () => answersReady(port),
  });
}

/** All services, each from its tree below `trees`, with the environment that the local cluster gives them. */
export async function startServices(trees: string, folder: string, environment: Record<string, string>): Promise<{ servers: Server[]; apiKey: string; url: string }> {
  const secrets = localSecrets(join(folder, 'secrets'));
  const services = await planServices({ PORT: String(await freePort()), ADMIN_PORT: String(await freePort()) }, secrets, freePort);
  const servers = await Promise.all(services.map(({ app, name, port, env }) => startFromTree(join(trees, app), { folder: join(folder, name), port, env: { ...environment, ...env } })));
  return { servers, apiKey: secrets.apiKey, url: `http://127.0.0.1:${services[0]?.port}` };
}

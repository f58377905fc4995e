import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

type Served = { readonly url: string; close(): Promise<void> };

/** Runs a server as a whole process: says where it listens on one line of JSON, and ends with its parent or by a signal. */
export async function serveUntilStopped(start: (port: number) => Promise<Served>): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } }, strict: false });
  const served = await start(Number(values.port));
  console.log(JSON.stringify({ url: served.url }));
  const stop = (): void => void served.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (process.env['STOP_WITH_STDIN']) process.stdin.resume().once('end', stop);
}

export type Helper = { readonly url: string; readonly pid: number; stop(): Promise<void> };

/** Starts a server file of this folder as a process and waits for its address. */
export async function startHelper(file: string, args: readonly string[] = []): Promise<Helper> {
  const child = spawn(process.execPath, [new URL(file, import.meta.url).pathname, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, STOP_WITH_STDIN: '1' },
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => ['null'])])) as [string];
  const said = JSON.parse(line) as { url: string } | null;
  if (!said || child.pid === undefined) throw new Error(`${file} did not start`);
  return { url: said.url, pid: child.pid, stop: () => stopProcess(child, 5_000) };
}

/** SIGTERM, and SIGKILL when that was not enough after `graceMs`. */
export async function stopProcess(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await exited;
  clearTimeout(timer);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from './command.ts';

export type JestResult = { readonly passed: number; readonly failed: number; readonly skipped: number };

const root = join(import.meta.dirname, '..');
const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', join(root, 'node_modules/jest/bin/jest.js')];
const exitTimeoutMs = 10_000;
// What jest says of a test that left a timer, a socket or a process open.
const leak = /failed to exit gracefully|Jest did not exit/;

/** The paths of the test files that the arguments (patterns, flags of jest) select. */
export async function listTests(args: readonly string[]): Promise<string[]> {
  const output = await runCommand(process.execPath, [...jest, '--listTests', ...args], { cwd: root, quiet: true });
  return output.split('\n').filter((line) => line.startsWith('/'));
}

/** Runs jest and counts. A test file that cannot run, and a handle that is leaked, count as failed. `onStart` gets the process. */
export async function runJest(args: readonly string[], outputFile: string, env: NodeJS.ProcessEnv, onStart: (child: ChildProcess) => void): Promise<JestResult> {
  const child = spawn(process.execPath, [...jest, '--passWithNoTests', '--json', `--outputFile=${outputFile}`, ...args], {
    cwd: root,
    env: { ...env, FORCE_COLOR: process.stderr.isTTY ? '1' : '0' },
    // With --json the report itself goes to stdout, and it is read from the file.
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onStart(child);
  const ended = new Promise<void>((settle, fail) => child.once('close', () => settle()).once('error', fail));
  let isLeaking = false;
  child.stderr.on('data', (text: Buffer) => {
    process.stderr.write(text);
    if (!leak.test(text.toString()) || isLeaking) return;
    isLeaking = true;
    void delay(exitTimeoutMs, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
  });
  await ended;
  if (!existsSync(outputFile)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(outputFile, 'utf8')) as Record<
    'numPassedTests' | 'numFailedTests' | 'numPendingTests' | 'numTodoTests' | 'numRuntimeErrorTestSuites', number
  >;
  let failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  if (failed === 0 && (isLeaking || child.exitCode !== 0)) failed = 1;
  return { passed: report.numPassedTests, failed, skipped: report.numPendingTests + report.numTodoTests };
}

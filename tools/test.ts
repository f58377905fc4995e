/**
 * Everything that a change must pass, then one line with the sum. `npm test -- <pattern>` runs only the test
 * files whose path matches, and none of the checks.
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { runCommand } from './command.ts';
import type { Server } from './infrastructure/server.ts';
import { listTests, runJest } from './jest-run.ts';
import { endLeftovers } from './leftovers.ts';

const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const args = process.argv.slice(2);
const isWhole = args.length === 0;
const temporary = mkdtempSync(join(tmpdir(), 'nightshift-test-'));
// The account that PostgreSQL runs under when we are root passes through it.
chmodSync(temporary, 0o711);
const markName = 'NIGHTSHIFT_TEST_RUN';
const mark = randomBytes(8).toString('hex');
// Inherited by all that we start: the mark to find it by, and a temporary folder that is removed.
process.env[markName] = mark;
process.env['TMPDIR'] = temporary;

const servers: Server[] = [];
const sum = { passed: 0, failed: 0 };
let jest: ChildProcess | undefined;
let interrupted: NodeJS.Signals | undefined;

function report(problem: string): void {
  sum.failed++;
  console.error(`nightshift: FAILED ${problem}`);
}

async function step(name: string, run: () => Promise<unknown>): Promise<boolean> {
  if (interrupted !== undefined) return false;
  try {
    await run();
    return true;
  } catch (err) {
    if (interrupted === undefined) report(`${name}: ${err instanceof Error ? err.message : String(err)}`);
    return false;
  }
}

async function check(): Promise<void> {
  const node = (path: string) => runCommand(process.execPath, [join(root, path)], { cwd: root });
  if (existsSync(join(root, '.oxlintrc.json'))) await step('lint', () => runCommand(bin('oxlint'), ['--quiet'], { cwd: root }));
  await step('types', () => runCommand(bin('tsc'), ['-p', 'tsconfig.check.json'], { cwd: root }));
  await step('boundaries', () => node('tools/boundaries.ts'));
}

// Loaded late, because it needs what the build makes.
async function startServers(): Promise<void> {
  const { startTestServers } = await import('./infrastructure/test-servers.ts');
  Object.assign(process.env, await startTestServers(temporary, (server) => servers.push(server)));
}

async function provisionChart(): Promise<void> {
  const { provisionChartTools } = await import('./infrastructure/chart-tools.ts');
  await provisionChartTools();
}

async function runTests(name: string, flags: readonly string[]): Promise<void> {
  if (interrupted !== undefined) return;
  const result = await runJest([...flags, ...args], join(temporary, `${name}.json`), process.env, (child) => (jest = child));
  sum.passed += result.passed;
  sum.failed += result.failed;
  if (isWhole && result.skipped > 0) report(`${result.skipped} tests were skipped`);
}

async function run(): Promise<void> {
  if (!(await step('build', () => runCommand(process.execPath, [join(root, 'tools/build.ts')], { cwd: root })))) return;
  const tests = await listTests(args);
  if (tests.length === 0) return report(`no test file matches ${args.join(' ')}`);
  const isOf = (pattern: RegExp) => tests.some((path) => pattern.test(relative(root, path)));
  const needsServers = isOf(/^e2e\/|\/test\/|\.int\.test\.ts$/);
  const [isReady, isChartReady] = await Promise.all([
    needsServers ? step('infrastructure', startServers) : true,
    isOf(/^charts\/|\/compose\./) ? step('chart tools', provisionChart) : true,
    isWhole ? check() : undefined,
  ]);
  if (!isReady || !isChartReady) return;
  if (isOf(/^(?!e2e\/)/)) await runTests('unit-and-integration', ['--selectProjects', 'unit', 'integration', 'chart', '--maxWorkers=2']);
  if (isOf(/^e2e\//)) await runTests('e2e', ['--selectProjects', 'e2e', '--runInBand']);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted ??= signal;
    jest?.kill('SIGTERM');
  });
}

try {
  await run();
} finally {
  await Promise.all(servers.map((server) => server.stop()));
  const leftovers = await endLeftovers(`${markName}=${mark}`, interrupted === undefined ? 5_000 : 0, temporary);
  if (interrupted === undefined) for (const { pid, command } of leftovers) report(`a process was left running: ${pid} ${command}`);
}
if (sum.failed === 0 || interrupted !== undefined) rmSync(temporary, { recursive: true, force: true });
else console.error(`nightshift: logs and data are kept in ${temporary}`);
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = interrupted !== undefined ? 128 + constants.signals[interrupted] : sum.failed === 0 ? 0 : 1;

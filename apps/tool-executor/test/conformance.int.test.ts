import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mapLimited } from '@nightshift/std';

const PASSING = [
  'initialize',
  'tools_call',
  'sse-retry',
  'request-metadata',
  'http-standard-headers',
  'http-custom-headers',
  'http-invalid-tool-headers',
  'json-schema-ref-no-deref',
  'json-schema-2020-12-preservation',
];

/** Scenarios that are expected to fail, with the reason. Nobody is there to authorise or to answer while a run works; skills are no tools. */
const FAILING: readonly [RegExp, string][] = [
  [/^auth\//, 'needs an authorisation flow'],
  [/^(elicitation-sep1034-client-defaults|sep-2322-client-request-state)$/, 'needs somebody who answers the server: such calls end as a tool error'],
  [/^sep-2640-/, 'is about the skills extension'],
];

const suite = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/dist/index.js');
const client = fileURLToPath(new URL('conformance-client.ts', import.meta.url));
const outcomes = new Map<string, { passed: boolean; output: string }>();
let folder: string;
let listed: string[];

/** Runs the suite's command; its exit code says whether all went well. */
function conformance(...args: string[]): Promise<{ passed: boolean; output: string }> {
  return new Promise((resolve) => execFile(process.execPath, [suite, ...args], { cwd: folder }, (err, stdout, stderr) => resolve({ passed: err === null, output: `${stdout}\n${stderr}` })));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nightshift-conformance-'));
  listed = Array.from((await conformance('list', '--client')).output.matchAll(/^ {2}- (\S+)/gm), ([, name]) => name ?? '');
  await mapLimited(PASSING, 2, async (scenario) => void outcomes.set(scenario, await conformance('client', '--command', `"${process.execPath}" "${client}"`, '--scenario', scenario, '--timeout', '120000')));
}, 600_000);
afterAll(() => rm(folder, { recursive: true }));

describe('the official conformance suite', () => {
  test.each(PASSING)('passes %s', (scenario) => {
    expect(outcomes.get(scenario)).toEqual({ passed: true, output: expect.stringContaining('OVERALL: PASSED') });
  });

  test('has no scenario that is neither passed nor expected to fail for a reason', () => {
    expect(listed).toEqual(expect.arrayContaining(PASSING));
    expect(listed.filter((scenario) => !PASSING.includes(scenario) && !FAILING.some(([pattern]) => pattern.test(scenario)))).toEqual([]);
    for (const [pattern] of FAILING) expect(listed.filter((scenario) => pattern.test(scenario))).not.toEqual([]);
  });
});

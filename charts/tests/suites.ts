import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CommandFailed, runCommand } from '../../tools/command.ts';
import { goProgram } from '../../tools/infrastructure/go.ts';
import { chart } from './chart.ts';

export type SuiteResult = { readonly suite: string; readonly name: string; readonly failure: string | undefined };

const text = (xml: string) => xml.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&#34;', '"').replaceAll('&#39;', "'").replaceAll('&#xA;', '\n').replaceAll('&#x9;', '\t').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
const attribute = (tag: string, name: string) => text(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '');

const snapshots = (directory: string) => Object.fromEntries(globSync('tests/__snapshot__/*', { cwd: directory }).map((path) => [path, readFileSync(join(directory, path), 'utf8')]));

/**
 * Runs helm-unittest over the chart's suites: the result of each of their tests. It works on a copy, because it writes
 * snapshots that it misses; `written` are those that it would have written here. Throws when it could not run.
 */
export async function runSuites(): Promise<{ results: SuiteResult[]; written: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'suites-'));
  const report = join(directory, 'report.xml');
  const copy = join(directory, basename(chart));
  try {
    cpSync(chart, copy, { recursive: true });
    const output = await runCommand(await goProgram('helm-unittest'), ['--strict', '--color=false', '--file', 'tests/*_test.yaml', '--output-file', report, '--output-type', 'JUnit', copy], { quiet: true }).catch((err: unknown) => {
      if (err instanceof CommandFailed) return err.output;
      throw err;
    });
    let xml: string;
    try {
      xml = readFileSync(report, 'utf8');
    } catch (err) {
      throw new Error(output, { cause: err });
    }
    const results = [...xml.matchAll(/<testsuite (?<suite>[^>]*)>(?<cases>.*?)<\/testsuite>/gs)].flatMap(({ groups = {} }) =>
      [...(groups['cases'] ?? '').matchAll(/<testcase (?<tag>[^>]*?)(\/>|>(?<body>.*?)<\/testcase>)/gs)].map(({ groups: found = {} }) => ({
        suite: attribute(groups['suite'] ?? '', 'name'),
        name: attribute(found['tag'] ?? '', 'name'),
        failure: /<(failure|error)/.test(found['body'] ?? '') ? text((found['body'] ?? '').replaceAll(/<[^>]+>/g, ' ')).trim() || 'failed' : undefined,
      })),
    );
    const before = snapshots(chart);
    return { results, written: Object.entries(snapshots(copy)).filter(([path, text]) => before[path] !== text).map(([path]) => path) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

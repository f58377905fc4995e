import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, runCommand } from '../../tools/command.ts';
import { goProgram } from '../../tools/infrastructure/go.ts';
import { chart } from './chart.ts';

export type SuiteResult = { readonly suite: string; readonly name: string; readonly failure: string | undefined };

const text = (xml: string) => xml.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&#34;', '"').replaceAll('&#39;', "'").replaceAll('&#xA;', '\n').replaceAll('&#x9;', '\t').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
const attribute = (tag: string, name: string) => text(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '');

/** Runs helm-unittest over the chart's suites: the result of each of their tests. Throws when it could not run. */
export async function runSuites(): Promise<SuiteResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'suites-'));
  const report = join(directory, 'report.xml');
  try {
    const output = await runCommand(await goProgram('helm-unittest'), ['--strict', '--color=false', '--file', 'tests/*_test.yaml', '--output-file', report, '--output-type', 'JUnit', chart], { quiet: true }).catch((err: unknown) => {
      if (err instanceof CommandFailed) return err.output;
      throw err;
    });
    let xml: string;
    try {
      xml = readFileSync(report, 'utf8');
    } catch (err) {
      throw new Error(output, { cause: err });
    }
    return [...xml.matchAll(/<testsuite (?<suite>[^>]*)>(?<cases>.*?)<\/testsuite>/gs)].flatMap(({ groups = {} }) =>
      [...(groups['cases'] ?? '').matchAll(/<testcase (?<tag>[^>]*?)(\/>|>(?<body>.*?)<\/testcase>)/gs)].map(({ groups: found = {} }) => ({
        suite: attribute(groups['suite'] ?? '', 'name'),
        name: attribute(found['tag'] ?? '', 'name'),
        failure: /<(failure|error)/.test(found['body'] ?? '') ? text((found['body'] ?? '').replaceAll(/<[^>]+>/g, ' ')).trim() || 'failed' : undefined,
      })),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

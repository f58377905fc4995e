/** The chart as its tests see it: rendered with values, or refused with a message. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { CommandFailed, runCommand } from '../../tools/command.ts';
import { goProgram } from '../../tools/infrastructure/go.ts';

export const root = join(import.meta.dirname, '../..');
export const chart = join(root, 'charts/nightshift');

/** The values files that stand for a kind of installation, by name. */
export const installations = globSync('*-values.yaml', { cwd: join(chart, 'ci') }).map((file) => file.replace(/-values\.yaml$/, '')).sort();
export const valuesFile = (installation: string): string => join(chart, 'ci', `${installation}-values.yaml`);

type Metadata = { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };
// A manifest is whatever a template says; tests look into it by path.
// oxlint-disable-next-line typescript/no-explicit-any
export type Manifest = { readonly kind: string; readonly apiVersion: string; readonly metadata: Metadata; readonly [part: string]: any };

const kubeVersion = 'v1.34.0';
const helm = await goProgram('helm');

function render(values: string, settings: readonly string[], release: string): Promise<string> {
  return runCommand(helm, ['template', release, chart, '--namespace', 'ns', '--kube-version', kubeVersion, '--values', values, ...settings.flatMap((setting) => ['--set-json', setting])], { quiet: true });
}

/** The text that helm renders. Throws `CommandFailed` with its message. */
export function template(installation: string, settings: readonly string[] = []): Promise<string> {
  return render(valuesFile(installation), settings, 'r');
}

/** The objects of an installation. */
export async function manifests(installation: string, settings: readonly string[] = [], release = 'r'): Promise<Manifest[]> {
  return objects(await render(valuesFile(installation), settings, release));
}

/** The objects of a release with values from elsewhere. */
export async function manifestsWith(values: string, release: string): Promise<Manifest[]> {
  return objects(await render(values, [], release));
}

/** The objects of a text of several documents. */
export function objects(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest | null).filter((object) => object !== null);
}

/** What helm says when it refuses these settings. Fails when it does not. */
export async function refusal(installation: string, settings: readonly string[]): Promise<string> {
  try {
    await template(installation, settings);
  } catch (err) {
    if (err instanceof CommandFailed) return err.output;
    throw err;
  }
  throw new Error(`helm accepts ${settings.join(' ')}`);
}

/** What `helm lint --strict` finds. */
export async function lint(installation: string): Promise<string> {
  return runCommand(helm, ['lint', '--strict', chart, '--kube-version', kubeVersion, '--values', valuesFile(installation)], { quiet: true });
}

/** The names of the templates that make objects or text. */
export const templates = globSync('**/*.{yaml,txt}', { cwd: join(chart, 'templates') }).map((path) => basename(path).replace(/\.(yaml|txt)$/, '')).sort();

/** A file of the chart, parsed. */
export function chartFile<T>(path: string): T {
  return parse(readFileSync(join(chart, path), 'utf8')) as T;
}

/** The pod of a Deployment, StatefulSet, Job or Pod; undefined for anything else. */
export function podOf(object: Manifest): { readonly metadata: Metadata; readonly spec: Manifest[string] } | undefined {
  if (object.kind === 'Pod') return { metadata: object.metadata, spec: object['spec'] };
  return object['spec']?.template?.spec?.containers === undefined ? undefined : object['spec'].template;
}

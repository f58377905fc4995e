import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, runCommand } from '../../tools/command.ts';
import { goProgram } from '../../tools/infrastructure/go.ts';
import { kubernetesSchemas } from '../../tools/infrastructure/kubernetes-schemas.ts';

const [kubeconform, schemas] = await Promise.all([goProgram('kubeconform'), kubernetesSchemas()]);
const file = '{{ .ResourceKind }}{{ .KindSuffix }}.json';

/** What is wrong with the objects of a text for a version of Kubernetes: unknown kinds and fields as well. Empty when nothing is. */
export async function findInvalid(text: string, version: string): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'manifests-'));
  try {
    const path = join(directory, 'all.yaml');
    writeFileSync(path, text);
    const locations = [join(schemas, '{{ .NormalizedKubernetesVersion }}', file), join(schemas, 'crds', file)].flatMap((location) => ['-schema-location', location]);
    const output = await runCommand(kubeconform, ['-strict', '-output', 'json', '-kubernetes-version', version, ...locations, path], { quiet: true }).catch((err: unknown) => {
      if (err instanceof CommandFailed && err.output.includes('"resources"')) return err.output;
      throw err;
    });
    const { resources } = JSON.parse(output) as { resources: { kind: string; name: string; msg: string }[] | null };
    return (resources ?? []).map(({ kind, name, msg }) => `${kind} ${name}: ${msg}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { runCommand } from '../command.ts';
import { cached } from './cache.ts';
import { type CustomResource, closedSchema, schemaFile, selfContained } from './json-schemas.ts';
import { goModule } from './go.ts';
import { fetchLibraries, java } from './maven.ts';

/** The oldest version that the chart allows, one between, the newest. */
export const kubernetesVersions = ['1.30.0', '1.34.0', '1.37.0'] as const;

// Ships the API server's own schemas, in a closed form, for each version.
const schemaPackage = 'kubernetes-validate==1.37.0';
const crdModules = [
  { module: 'github.com/kedacore/keda/v2@v2.17.1', files: 'config/crd/bases/*.yaml' },
  { module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0', files: 'example/prometheus-operator-crd/*.yaml' },
  { module: 'sigs.k8s.io/gateway-api@v1.3.0', files: 'config/crd/standard/*.yaml' },
  { module: 'github.com/external-secrets/external-secrets@v1.3.2', files: 'config/crds/bases/external-secrets.io_*.yaml' },
  { module: 'github.com/cloudnative-pg/cloudnative-pg@v1.27.0', files: 'config/crd/bases/*.yaml' },
];

// Strimzi is no Go module: its own generator makes them of its classes.
const strimzi = { version: '0.45.0', classes: ['kafka.Kafka', 'nodepool.KafkaNodePool', 'topic.KafkaTopic', 'user.KafkaUser'] };

const kinds = /^(configmap|deployment|horizontalpodautoscaler|ingress|job|namespace|networkpolicy|persistentvolumeclaim|pod|poddisruptionbudget|role|rolebinding|secret|service|serviceaccount|statefulset)-(v1|apps-v1|autoscaling-v2|batch-v1|networking-v1|policy-v1|rbac-v1)\.json$/;

const settings = createHash('sha256').update(JSON.stringify([kubernetesVersions, schemaPackage, crdModules, strimzi, kinds.source])).digest('hex').slice(0, 12);

/**
 * A folder with JSON schemas that allow no unknown field, fetched if they are not cached yet: `v<version>/` for
 * Kubernetes' own kinds and `crds/` for those of the operators that the chart knows.
 */
export function kubernetesSchemas(): Promise<string> {
  return cached(`kubernetes-schemas-${settings}`, async (directory) => {
    console.error("nightshift: fetching the schemas of Kubernetes and its operators (110 MB, once for all clones)");
    await fetchKinds(directory);
    await fetchCustomResources(directory);
  });
}

async function fetchKinds(directory: string): Promise<void> {
  const wheels = join(directory, 'wheels');
  const install = 'Kubernetes\' schemas are fetched with pip: install Python 3 with pip, for instance with `apt-get install python3-pip`';
  try {
    await runCommand('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--dest', wheels, schemaPackage], { quiet: true });
  } catch (err) {
    throw new Error(install, { cause: err });
  }
  const [wheel = ''] = globSync('*.whl', { cwd: wheels });
  await runCommand('python3', ['-m', 'zipfile', '-e', join(wheels, wheel), wheels], { quiet: true });
  for (const version of kubernetesVersions) {
    const source = join(wheels, `kubernetes_validate/kubernetes-json-schema/v${version}-local-strict`);
    const { $defs } = JSON.parse(readFileSync(join(source, '_definitions.json'), 'utf8')) as { $defs: Record<string, object> };
    const target = join(directory, `v${version}`);
    mkdirSync(target);
    for (const path of globSync('*.json', { cwd: source }).filter((file) => kinds.test(file))) {
      const schema = JSON.parse(readFileSync(join(source, path), 'utf8')) as object;
      writeFileSync(join(target, path), JSON.stringify(selfContained(schema, $defs)));
    }
  }
  // A wheel holds a dozen versions more.
  rmSync(wheels, { recursive: true });
}

async function fetchCustomResources(directory: string): Promise<void> {
  const target = join(directory, 'crds');
  mkdirSync(target);
  for (const { module, files } of crdModules) {
    const folder = await goModule(module);
    const paths = globSync(files, { cwd: folder });
    if (paths.length === 0) throw new Error(`${module} has no ${files}`);
    for (const path of paths) writeSchemas(join(folder, path), target);
  }
  await generateStrimzi(join(directory, 'strimzi'), target);
}

async function generateStrimzi(directory: string, target: string): Promise<void> {
  mkdirSync(directory);
  await fetchLibraries(directory, [`io.strimzi:crd-generator:${strimzi.version}`, `io.strimzi:api:${strimzi.version}`], 'The schema of Strimzi');
  const files = strimzi.classes.map((name) => ({ name: `io.strimzi.api.kafka.model.${name}`, path: join(directory, `${name}.yaml`) }));
  await runCommand(java(), ['-XX:TieredStopAtLevel=1', '-cp', join(directory, 'libs/*'), 'io.strimzi.crdgenerator.CrdGenerator', '--yaml', '--target-kube', '1.25+', '--crd-api-version', 'v1', ...files.map(({ name, path }) => `${name}=${path}`)], { quiet: true });
  for (const { path } of files) writeSchemas(path, target);
  rmSync(directory, { recursive: true });
}

function writeSchemas(path: string, target: string): void {
  const resource = parse(readFileSync(path, 'utf8')) as CustomResource;
  if (resource.kind !== 'CustomResourceDefinition') return;
  for (const version of resource.spec.versions) writeFileSync(join(target, schemaFile(resource, version.name)), JSON.stringify(closedSchema(version.schema.openAPIV3Schema)));
}

/** What stands around the chart: the overlays of k8s/, and the values that go with one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { TOPICS, topicName } from '@nightshift/contracts';
import { runCommand } from '../../tools/command.ts';
import { goProgram } from '../../tools/infrastructure/go.ts';
import { kubernetesVersions } from '../../tools/infrastructure/kubernetes-schemas.ts';
import { type Manifest, manifestsWith, objects, podOf, root } from './chart.ts';
import { findInvalid } from './kubeconform.ts';

const overlays = readdirSync(join(root, 'k8s/overlays')).sort();
const build = async (overlay: string): Promise<string> => runCommand(await goProgram('kustomize'), ['build', join(root, 'k8s/overlays', overlay)], { quiet: true });

test('there is an overlay for a laptop, and one for production', () => {
  expect(overlays).toEqual(['kind', 'production']);
});

describe.each(overlays)('the overlay %s', (overlay) => {
  let text: string;
  let all: Manifest[];
  const one = (kind: string, name: string) => all.find((object) => object.kind === kind && object.metadata.name === name) as Manifest;
  beforeAll(async () => {
    text = await build(overlay);
    all = objects(text);
  });

  test.each(kubernetesVersions)('is valid for Kubernetes %s and its operators', async (version) => {
    expect(await findInvalid(text, version)).toEqual([]);
  });

  test('has pods that fit the restricted namespace that they are in', () => {
    expect(one('Namespace', 'nightshift').metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    for (const pod of all.map(podOf).filter((found) => found !== undefined)) {
      expect(pod.spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const { securityContext } of pod.spec.containers as { securityContext: object }[]) expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
    }
  });

  test('has the topics of the shared pool, with no more copies than there are brokers', () => {
    const topics = all.filter(({ kind }) => kind === 'KafkaTopic');
    expect(topics.map(({ metadata }) => metadata.name).sort()).toEqual(Object.keys(TOPICS).map((topic) => topicName(topic as keyof typeof TOPICS, 'shared')).sort());
    const brokers = one('KafkaNodePool', 'brokers')['spec'].replicas as number;
    for (const topic of topics) expect(topic['spec'].replicas).toBeLessThanOrEqual(brokers);
    const { config } = one('Kafka', 'nightshift')['spec'].kafka as { config: Record<string, number> };
    for (const [setting, value] of Object.entries(config)) if (/replication\.factor$|min\.(isr|insync\.replicas)$/.test(setting)) expect(value).toBeLessThanOrEqual(brokers);
  });

  test('lets the services make and use the topics of pools to come', () => {
    const acls = one('KafkaUser', 'nightshift')['spec'].authorization.acls as { resource: { type: string; name?: string }; operations: string[] }[];
    for (const topic of Object.keys(TOPICS)) {
      const rights = acls.filter(({ resource }) => resource.type === 'topic' && topicName(topic as keyof typeof TOPICS, 'acme').startsWith(resource.name ?? '-')).flatMap(({ operations }) => operations);
      expect(rights).toEqual(expect.arrayContaining(['Create', 'Describe', 'Read', 'Write']));
    }
  });
});

test('Strimzi is installed so that its pods fit the restricted namespace', () => {
  const install = /^helm install strimzi (?:.*\\\n)*.*$/m.exec(readFileSync(join(root, 'k8s/README.md'), 'utf8'))?.[0];
  expect(install).toContain("--set 'extraEnvs[0].name=STRIMZI_POD_SECURITY_PROVIDER_CLASS' --set 'extraEnvs[0].value=restricted'");
});

describe('the values that go with the overlay for a laptop', () => {
  test('name only servers and Secrets that it makes', async () => {
    const around = objects(await build('kind'));
    const services = await manifestsWith(join(root, 'k8s/overlays/kind/values.yaml'), 'nightshift');
    const names = (kind: string) => around.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name);
    const config = services.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'nightshift-runs')?.['data'] as Record<string, string>;
    expect(config['KAFKA_BROKERS']).toBe(`${names('Kafka')[0]}-kafka-bootstrap:9093`);
    expect(config['KAFKA_SASL_USERNAME']).toBe(names('KafkaUser')[0]);
    expect(names('Service')).toContain(new URL(config['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '').hostname);
    const deployment = services.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'nightshift-runs') as Manifest;
    const made = new Set([...names('KafkaUser'), `${names('Kafka')[0]}-cluster-ca-cert`, `${names('Cluster')[0]}-app`, `${names('Cluster')[0]}-ca`, 'nightshift-runs', 'nightshift-secrets']);
    const used = [...JSON.stringify(podOf(deployment)?.spec).matchAll(/"secretKeyRef":\{[^}]*"name":"([^"]+)"|"secretName":"([^"]+)"/g)].map(([, key, volume]) => key ?? volume ?? '');
    expect(used.length).toBeGreaterThanOrEqual(6);
    for (const name of used) expect(made).toContain(name);
  });
});

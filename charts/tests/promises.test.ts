/** What holds for every installation, whatever its values: read off the rendered objects. */
import { BlockList, isIPv6 } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { installations, type Manifest, manifests, podOf } from './chart.ts';

type Container = { name: string; securityContext: Record<string, unknown>; env?: { name: string; valueFrom?: { secretKeyRef?: { key: string } } }[]; ports?: { name: string }[] };
const holders: Record<string, string[]> = { SEAL_PRIVATE_KEY: ['tool-executor'], SEAL_PUBLIC_KEY: ['gateway'], ENCRYPTION_KEY: ['webhook-dispatcher'], ADMIN_TOKEN: ['gateway'] };

describe.each(installations)('the %s installation', (installation) => {
  let objects: Manifest[];
  const of = (kind: string) => objects.filter((object) => object.kind === kind);
  const component = (object: Manifest) => object.metadata.labels?.['app.kubernetes.io/component'] ?? '';
  beforeAll(async () => {
    objects = await manifests(installation);
  });

  test('has pods that fit the restricted pod security standard only', () => {
    const pods = objects.map(podOf).filter((pod) => pod !== undefined);
    expect(pods.length).toBeGreaterThanOrEqual(9);
    for (const { spec } of pods) {
      expect(spec).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } });
      for (const word of ['hostNetwork', 'hostPID', 'hostIPC']) expect(spec).not.toHaveProperty(word);
      for (const volume of spec.volumes as object[]) expect(Object.keys(volume)).not.toContain('hostPath');
      for (const { securityContext } of spec.containers as Container[]) expect(securityContext).toEqual({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true });
    }
  });

  test('gives each secret to the app alone that needs it', () => {
    for (const [key, apps] of Object.entries(holders)) {
      const holds = ({ env = [] }: Container) => env.some(({ valueFrom }) => valueFrom?.secretKeyRef?.key === key);
      const found = of('Deployment').filter((object) => (object['spec'].template.spec.containers as Container[]).some(holds));
      expect([...new Set(found.map(component))]).toEqual(apps);
      const stored = [...of('Secret').filter((object) => Object.hasOwn(object['data'] as object, key)), ...of('ExternalSecret').filter((object) => JSON.stringify(object['spec']).includes(`"${key}"`))];
      for (const object of stored) expect(apps).toContain(component(object));
    }
    expect(JSON.stringify(of('ConfigMap'))).not.toMatch(/SERVICE_TOKEN|_PASSWORD|DATABASE_URL|REDIS_URL|postgresql:\/\//);
  });

  test('has the operator’s port in one Service of its own, and in no route', () => {
    const admin = of('Service').filter((object) => (object['spec'].ports as { targetPort: string }[]).some(({ targetPort }) => targetPort === 'admin'));
    expect(admin.map(({ metadata }) => metadata.name)).toEqual(['r-nightshift-gateway-admin']);
    expect(admin[0]?.['spec'].ports).toHaveLength(1);
    expect(JSON.stringify([...of('Ingress'), ...of('HTTPRoute')])).not.toMatch(/admin|8081/);
  });

  test('lets only tool-executor and webhook-dispatcher reach any port of the internet, and nobody private ranges', () => {
    type Rule = { ports?: unknown[]; to?: { ipBlock?: { cidr: string; except?: string[] } }[] };
    for (const policy of of('NetworkPolicy')) {
      for (const { ports, to = [] } of (policy['spec'].egress ?? []) as Rule[]) {
        for (const { ipBlock } of to) {
          if (ipBlock?.cidr !== '0.0.0.0/0') continue;
          expect(ipBlock.except).toEqual(expect.arrayContaining(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', '169.254.0.0/16', '100.64.0.0/10']));
          if (ports === undefined) expect(['tool-executor', 'webhook-dispatcher']).toContain(component(policy));
          else expect(component(policy)).toBe('engine-orchestrator');
        }
      }
    }
  });

  // The API server checks it, schemas cannot say it; and to it an IPv4-mapped address is one of IPv4.
  test('excepts from an address range only what is a part of it', () => {
    type Peer = { ipBlock?: { cidr: string; except?: string[] } };
    const blocks = of('NetworkPolicy').flatMap((policy) => [...((policy['spec'].egress ?? []) as { to?: Peer[] }[]).flatMap(({ to = [] }) => to), ...((policy['spec'].ingress ?? []) as { from?: Peer[] }[]).flatMap(({ from = [] }) => from)]).flatMap(({ ipBlock }) => ipBlock ?? []);
    expect(blocks.some(({ except = [] }) => except.length > 0)).toBe(of('NetworkPolicy').length > 0);
    for (const { cidr, except = [] } of blocks) {
      const range = new BlockList();
      const [address = '', prefix] = cidr.split('/');
      range.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
      for (const part of except) {
        const [inner = '', length] = part.split('/');
        expect([part, isIPv6(inner), range.check(inner, isIPv6(inner) ? 'ipv6' : 'ipv4'), Number(length) > Number(prefix), inner.startsWith('::ffff:')]).toEqual([part, isIPv6(address), true, true, false]);
      }
    }
  });

  test('sends nobody to a Service that is not there', () => {
    const services = new Set(of('Service').map(({ metadata }) => metadata.name));
    const urls = of('ConfigMap').flatMap((object) => Object.entries((object['data'] ?? {}) as Record<string, string>)).filter(([name]) => /^(RUNS|ENGINE_ORCHESTRATOR|TOOL_EXECUTOR|WEBHOOK_DISPATCHER|BILLING)_URL$/.test(name));
    expect(urls.length).toBeGreaterThanOrEqual(12);
    for (const [, url] of urls) expect(services).toContain(new URL(url).hostname);
  });

  test('has names that Kubernetes takes, each once', () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { metadata } of objects) expect(metadata.name).toMatch(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
  });
});

test('the longest names of a release and a pool fit', async () => {
  const objects = await manifests('dedicated-pools', ['pools={"a-pool-of-15-ch":{"gateway":{"enabled":true}}}', 'ingress.hosts=[{"host":"a.example.com"}]'], 'a-release-whose-name-is-as-long-as-helm-allows-it-to');
  for (const { metadata } of objects) expect(metadata.name.length).toBeLessThanOrEqual(63);
});

test('pods are replaced when what they read at their start has changed, and only then', async () => {
  const annotations = async (settings: string[]) => (await manifests('minimal', settings)).filter(({ kind }) => kind === 'Deployment').map((object) => [object.metadata.name, JSON.stringify(podOf(object)?.metadata.annotations)] as const);
  const before = new Map(await annotations([]));
  const changed = async (settings: string[]) => (await annotations(settings)).filter(([name, text]) => before.get(name) !== text).map(([name]) => name);
  expect(await changed(['secrets.values.SEAL_PRIVATE_KEY="BAAA"'])).toEqual(['r-nightshift-tool-executor']);
  expect(await changed(['config.TURN_SLOTS=7'])).toEqual(['r-nightshift-engine-orchestrator']);
  expect(await changed(['labels.team="b"'])).toEqual([]);
});

test('a pool that is added replaces no pods of others', async () => {
  const pods = async (settings: string[]) => new Map((await manifests('dedicated-pools', settings)).filter(({ kind }) => kind === 'Deployment').map((object) => [object.metadata.name, podOf(object)] as const));
  const before = await pods([]);
  const after = await pods(['database.connectionLimit=2000', 'pools.initech={"upstreams":{"main":{"kind":"openai","baseUrl":"http://vllm.initech.svc:8000/v1","apiKeyEnv":"INITECH_API_KEY"}}}']);
  expect(after.size).toBe(before.size + 2);
  for (const [name, pod] of before) expect(after.get(name)).toEqual(pod);
});

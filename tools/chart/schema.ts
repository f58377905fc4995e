/** The JSON schema of the chart's values: closed everywhere but where Kubernetes' own objects are passed on. */
import { APPS } from '@nightshift/runtime';
import { EnginesFile } from '@nightshift/contracts';
import { z } from 'zod';
import { settableVariables } from './variables.ts';

type Schema = Record<string, unknown>;

const text: Schema = { type: 'string' };
const name: Schema = { type: 'string', minLength: 1 };
const flag: Schema = { type: 'boolean' };
const count: Schema = { type: 'integer', minimum: 0 };
const positive: Schema = { type: 'integer', minimum: 1 };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
const texts: Schema = { type: 'array', items: text };
const labels: Schema = { type: 'object', additionalProperties: text };
const choice = (...values: string[]): Schema => ({ enum: values });
const matching = (pattern: string): Schema => ({ type: 'string', pattern });
const quantity: Schema = { type: ['string', 'number'] };
const duration = matching('^([0-9]+(ms|h|m|s))+$');
const cidr = matching('^([0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/[0-9]{1,3})$');
const variableName = '^[A-Z][A-Z0-9_]*$';
/** As Kubernetes (or a custom resource of somebody else's) has it; its own schema judges it. */
const theirs: Schema = { type: 'object' };
const theirList: Schema = { type: 'array', items: theirs };

const closed = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: 'object', additionalProperties: false, properties, ...(required.length > 0 && { required }),
});
const ref = (definition: string): Schema => ({ $ref: `#/$defs/${definition}` });

function config(): Schema {
  const scalar: Schema = { type: ['string', 'number', 'boolean'] };
  return {
    type: 'object', additionalProperties: false,
    properties: Object.fromEntries(settableVariables().map((variable) => [variable, scalar])),
    patternProperties: { '^OTEL_[A-Z0-9_]+$': scalar },
  };
}

/** What the file says, for editors and for `helm install`: zod's own names of things, without its defaults. */
function engines(): Record<string, Schema> {
  const { properties } = z.toJSONSchema(EnginesFile, { io: 'input', unrepresentable: 'any' }) as unknown as { properties: { upstreams: { additionalProperties: Schema }; engines: { items: Schema } } };
  const upstream = { ...closeAll(properties.upstreams.additionalProperties) };
  return { upstream, engine: closeAll(properties.engines.items) };
}

function closeAll(schema: Schema): Schema {
  const entries = Object.entries(schema).filter(([key]) => key !== '$schema').map(([key, value]): [string, unknown] => {
    if (Array.isArray(value)) return [key, value.map((item: unknown) => (typeof item === 'object' && item !== null ? closeAll(item as Schema) : item))];
    return [key, typeof value === 'object' && value !== null ? closeAll(value as Schema) : value];
  });
  const isObject = schema['type'] === 'object' && schema['properties'] !== undefined;
  return { ...Object.fromEntries(entries), ...(isObject && { additionalProperties: false }) };
}

const probe = closed({ initialDelaySeconds: count, periodSeconds: positive, timeoutSeconds: positive, failureThreshold: positive, successThreshold: positive, terminationGracePeriodSeconds: positive });
const resources = closed({ requests: { type: 'object', additionalProperties: quantity }, limits: { type: 'object', additionalProperties: quantity }, claims: theirList });
const secretKey = closed({ name: text, key: name });
const podsOrPercent: Schema = { oneOf: [count, matching('^[0-9]{1,3}%$')] };
const image = { registry: text, repository: name, tag: text };

const workload: Record<string, Schema> = {
  replicas: count,
  databaseConnections: positive,
  image: closed({ ...image, digest: matching('^sha256:[0-9a-f]{64}$') }),
  command: texts,
  config: ref('config'),
  env: { type: 'array', items: { type: 'object', required: ['name'], properties: { name } } },
  envFrom: theirList,
  volumes: theirList,
  volumeMounts: theirList,
  initContainers: theirList,
  sidecars: theirList,
  annotations: labels,
  podLabels: labels,
  podAnnotations: labels,
  resources,
  rollingUpdate: closed({ maxSurge: podsOrPercent, maxUnavailable: podsOrPercent }),
  revisionHistoryLimit: count,
  preStopSeconds: count,
  probes: closed({ startup: probe, liveness: probe, readiness: probe }),
  autoscaling: closed({ type: choice('none', 'hpa', 'keda'), minReplicas: positive, maxReplicas: positive, cpuUtilization: positive, queueAgeSeconds: { type: 'number', exclusiveMinimum: 0 }, lag: positive, metrics: theirList, triggers: theirList, behavior: theirs }),
  podDisruptionBudget: closed({ enabled: flag, maxUnavailable: podsOrPercent }),
  topologySpread: { type: 'array', items: closed({ topologyKey: name, maxSkew: positive, whenUnsatisfiable: choice('ScheduleAnyway', 'DoNotSchedule') }, ['topologyKey', 'maxSkew', 'whenUnsatisfiable']) },
  nodeSelector: labels,
  tolerations: { type: 'array', items: closed({ key: text, operator: choice('Exists', 'Equal'), value: text, effect: choice('NoSchedule', 'PreferNoSchedule', 'NoExecute'), tolerationSeconds: count }) },
  affinity: theirs,
  priorityClassName: text,
  runtimeClassName: text,
  serviceAccount: closed({ create: flag, name: text, annotations: labels }),
  service: closed({ type: choice('ClusterIP', 'NodePort', 'LoadBalancer'), annotations: labels, trafficDistribution: text }),
  networkPolicy: closed({ ingress: theirList, egress: theirList }),
};

const monitor = closed({ enabled: flag, labels, interval: duration, scrapeTimeout: duration, relabelings: theirList, metricRelabelings: theirList });
const job = { enabled: flag, command: { type: 'array', items: text, minItems: 1 }, app: choice(...APPS), backoffLimit: count, activeDeadlineSeconds: positive, resources };
const host = closed({ host: name, path: matching('^/'), pool: name }, ['host']);
const server = closed({ to: theirList, ports: { type: 'array', items: port, minItems: 1 } });
const file = { kind: choice('Secret', 'ConfigMap'), name: text, key: name };

const pool = closed({ upstreams: { type: 'object', additionalProperties: ref('upstream') }, 'engine-orchestrator': ref('workload'), 'tool-executor': ref('workload'), gateway: closed({ enabled: flag, ...workload }) });

/** The whole schema. */
export function valuesSchema(): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the Nightshift chart',
    ...closed({
      global: theirs,
      nameOverride: text,
      fullnameOverride: text,
      labels,
      image: closed({ ...image, pullPolicy: choice('Always', 'IfNotPresent', 'Never') }),
      imagePullSecrets: { type: 'array', items: name },
      listenHost: choice('0.0.0.0', '::'),
      ports: closed({ http: port, admin: port, metrics: port }),
      config: ref('config'),
      egressAllow: { type: 'array', items: cidr },
      engines: closed({ upstreams: { type: 'object', additionalProperties: ref('upstream') }, engines: { type: 'array', items: ref('engine') } }),
      secrets: closed({
        existingSecret: text,
        values: { type: 'object', additionalProperties: false, patternProperties: { [variableName]: text } },
        external: closed({ enabled: flag, secretStoreRef: closed({ name: text, kind: choice('SecretStore', 'ClusterSecretStore') }), remoteKey: name, optionalKeys: { type: 'array', items: matching(variableName) }, refreshInterval: duration }),
      }),
      database: closed({ url: matching('^(postgres(ql)?://.+)?$'), existingSecret: secretKey, sslMode: choice('', 'require', 'verify-ca', 'verify-full'), connectionLimit: positive, connectionsReserved: count }),
      redis: closed({ url: matching('^(rediss?://.+)?$'), existingSecret: secretKey }),
      kafka: closed({
        brokers: { type: 'array', items: matching('^[^\\s,]+:[0-9]{1,5}$') },
        tls: closed({ enabled: flag, ca: closed(file), client: closed({ secretName: text, certificateKey: name, privateKeyKey: name }) }),
        sasl: closed({ mechanism: choice('', 'plain', 'scram-sha-256', 'scram-sha-512'), username: text, existingSecret: closed({ name: text, usernameKey: name, passwordKey: name }) }),
      }),
      caBundle: closed(file),
      defaults: ref('workload'),
      apps: closed(Object.fromEntries(APPS.map((app) => [app, ref('workload')])), [...APPS]),
      pools: { type: 'object', additionalProperties: false, patternProperties: { '^[a-z0-9]([a-z0-9-]{0,39}[a-z0-9])?$': pool } },
      podSecurityContext: theirs,
      containerSecurityContext: theirs,
      tmpSizeLimit: quantity,
      ingress: closed({ enabled: flag, className: text, controller: choice('', 'nginx', 'haproxy', 'alb'), annotations: labels, streamTimeoutSeconds: positive, bodySizeMax: name, hosts: { type: 'array', items: host }, tls: { type: 'array', items: closed({ hosts: texts, secretName: text }) } }),
      httpRoute: closed({ enabled: flag, parentRefs: theirList, hosts: { type: 'array', items: host }, annotations: labels, timeouts: closed({ request: duration, backendRequest: duration }), filters: theirList }),
      migrations: closed({ ...job, existingSecret: secretKey, url: matching('^(postgres(ql)?://.+)?$') }),
      topics: closed({ ...job, partitions: positive, replicationFactor: { type: 'integer', minimum: -1 } }),
      networkPolicy: closed({
        enabled: flag, publicFrom: theirList, adminFrom: theirList, metricsFrom: theirList, dns: server, database: server, redis: server, kafka: server,
        privateRanges: closed({ ipv4: { type: 'array', items: cidr }, ipv6: { type: 'array', items: cidr } }),
      }),
      keda: closed({ pollingInterval: positive, cooldownPeriod: count, queueAge: closed({ source: choice('prometheus', 'postgresql') }), prometheus: closed({ serverAddress: text, authenticationRef: text }) }),
      monitoring: closed({ podMonitor: monitor, serviceMonitor: monitor, prometheusRule: closed({ enabled: flag, labels, runbookBaseUrl: matching('/$'), groups: theirList }), dashboards: closed({ enabled: flag, labels, annotations: labels }) }),
      tests: closed({ app: choice(...APPS), apiKey: closed({ secretName: text, key: name }), engine: name, timeoutSeconds: positive, resources }),
      extraObjects: { type: 'array', items: { type: ['object', 'string'] } },
    }),
    $defs: { workload: closed(workload), config: config(), ...engines() },
  };
}

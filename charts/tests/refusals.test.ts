import { expect, test } from '@jest/globals';
import { refusal } from './chart.ts';

const digest = `sha256:${'0'.repeat(64)}`;

test.each<[name: string, installation: string, settings: string[], told: RegExp[]]>([
  ['an unknown key', 'default', ['gatway={"replicas":3}'], [/additional propert.*gatway/i]],
  ['an unknown key of an app', 'default', ['apps.runs.replica=3'], [/apps.runs.*replica/is]],
  ['an unknown app', 'default', ['apps.runner={}'], [/apps.*runner/is]],
  ['a variable that no app reads', 'default', ['config.TURN_SLOT=3'], [/config.*TURN_SLOT/is]],
  ['a secret among the variables', 'default', ['config.ADMIN_TOKEN="abc"'], [/config.*ADMIN_TOKEN/is]],
  ['a value of the wrong type', 'default', ['apps.runs.replicas="three"'], [/apps.runs.replicas/i]],
  ['a number of pods below zero', 'default', ['apps.runs.replicas=-1'], [/apps.runs.replicas/i]],
  ['a digest that is none', 'default', ['apps.runs.image.digest="sha256:12"'], [/apps.runs.image.digest/i]],
  ['brokers without a port', 'default', ['kafka.brokers=["kafka"]'], [/kafka.brokers/i]],
  ['a pool whose name cannot be in a topic', 'default', ['pools={"Acme!":{}}'], [/pools.*Acme!/is]],
  ['no brokers', 'default', ['kafka.brokers=[]'], [/kafka\.brokers is empty: name your brokers/]],
  ['no secrets', 'default', ['secrets.existingSecret=""'], [/there are no ADMIN_TOKEN, DATABASE_URL, ENCRYPTION_KEY, .*SEAL_PRIVATE_KEY.*: set secrets\.existingSecret/]],
  ['one missing secret', 'minimal', ['secrets.values.SEAL_PRIVATE_KEY=""'], [/there are no SEAL_PRIVATE_KEY: set secrets\.existingSecret/]],
  ['no database', 'minimal', ['database.url=""'], [/there are no DATABASE_URL: .*database\.existingSecret or database\.url/]],
  ['secrets from two places', 'minimal', ['secrets.existingSecret="a"'], [/secrets\.existingSecret and secrets\.values are both set: keep one/]],
  ['external secrets without a store', 'default', ['secrets={"existingSecret":"","external":{"enabled":true}}'], [/secretStoreRef\.name is empty: name the SecretStore/]],
  ['a URL in the values beside external secrets', 'production', ['redis.url="redis://redis:6379"'], [/redis\.url is set and secrets\.external\.enabled is true: put the URL into the store/]],
  ['the key of a model server that is not among the secrets', 'minimal', ['engines={"upstreams":{"a":{"kind":"openai","baseUrl":"http://a/v1","apiKeyEnv":"A_KEY"}},"engines":[{"id":"tim","upstreams":[{"name":"a","model":"m"}],"prices":{"input":1,"output":1},"limits":{"contextTokens":1000}}]}'], [/there are no A_KEY/]],
  ['the key of a pool’s model server that is not among the secrets', 'minimal', ['engines={"upstreams":{"a":{"kind":"openai","baseUrl":"http://a/v1"}},"engines":[{"id":"tim","upstreams":[{"name":"a","model":"m"}],"prices":{"input":1,"output":1},"limits":{"contextTokens":1000}}]}', 'pools={"acme":{"upstreams":{"a":{"kind":"openai","baseUrl":"http://b/v1","apiKeyEnv":"ACME_KEY"}}}}'], [/there are no ACME_KEY/]],
  ['an engine on an unknown upstream', 'dedicated-pools', ['engines.engines=[{"id":"tim","upstreams":[{"name":"man","model":"m"}],"prices":{"input":1,"output":1},"limits":{"contextTokens":1000}}]'], [/engines: tim names the upstream "man", which is not in engines\.upstreams \(there are: main\)/]],
  ['an engine that is named twice', 'dedicated-pools', ['engines.engines=[{"id":"tim","aliases":["tim"],"upstreams":[{"name":"main","model":"m"}],"prices":{"input":1,"output":1},"limits":{"contextTokens":1000}}]'], [/"tim" is named twice/]],
  ['an engine without a context', 'dedicated-pools', ['engines.engines=[{"id":"tim","upstreams":[{"name":"main","model":"m"}],"prices":{"input":1,"output":1},"limits":{}}]'], [/contextTokens/]],
  ['a host of an unknown pool', 'dedicated-pools', ['ingress.hosts=[{"host":"a.example.com","pool":"initech"}]'], [/host a\.example\.com names the pool "initech", which is not in `pools` \(there are: acme, globex\): add it to `pools`/]],
  ['a host of a pool without a gateway', 'dedicated-pools', ['ingress.hosts=[{"host":"a.example.com","pool":"globex"}]'], [/"globex", which has no gateway of its own: set pools\.globex\.gateway\.enabled=true/]],
  ['an upstream of a pool that no engine uses', 'dedicated-pools', ['pools.acme.upstreams={"own":{"kind":"openai","baseUrl":"http://a/v1"}}'], [/pools\.acme\.upstreams: no engine uses "own": .*\(there are: main\)/]],
  ['a pool whose name is too long for its Services', 'default', ['fullnameOverride="nightshift-of-the-platform"', 'pools={"a-name-of-twenty-char":{}}'], [/more than the 63 characters that Kubernetes takes: shorten the pool's name, or set a short fullnameOverride/]],
  ['a pool that is called shared', 'default', ['pools={"shared":{}}'], [/"shared" is the pool of `apps`/]],
  ['a pool whose gateway would be taken for the operators’ Service', 'default', ['pools={"admin":{}}'], [/pools\.admin: .*another name/]],
  ['more connections than the database takes', 'default', ['database.connectionLimit=100'], [/up to 310 connections to PostgreSQL \(10 reserved, .*runs 5 pods × 12.*\), and database\.connectionLimit is 100: lower replicas/]],
  ['too many connections with the pools', 'dedicated-pools', ['database.connectionLimit=400'], [/engine-orchestrator \(acme\) 7 pods × 12/]],
  ['too many connections at full scale', 'default', ['apps.runs.autoscaling={"type":"hpa","maxReplicas":40}'], [/runs 81 pods × 12/]],
  ['a lower bound above the upper', 'default', ['apps.runs.autoscaling={"type":"hpa","minReplicas":5,"maxReplicas":4}'], [/runs: autoscaling\.minReplicas is 5 and maxReplicas 4/]],
  ['scaling by a Prometheus that is not named', 'default', ['apps.engine-orchestrator.autoscaling.type="keda"'], [/set keda\.prometheus\.serverAddress, or keda\.queueAge\.source=postgresql/]],
  ['two monitors', 'default', ['monitoring.podMonitor.enabled=true', 'monitoring.serviceMonitor.enabled=true'], [/both enabled/]],
  ['an authority without TLS', 'default', ['kafka.tls.ca.name="ca"'], [/set kafka\.tls\.enabled=true/]],
  ['one service account with two sets of annotations', 'default', ['defaults.serviceAccount.name="all"', 'apps.runs.serviceAccount.annotations={"role":"a"}'], [/serviceAccount\.name all is used with different annotations .*: give it the same annotations wherever it is used, or each app a name of its own/]],
  ['a client certificate without TLS', 'default', ['kafka.tls.client.secretName="user"'], [/kafka\.tls\.client\.secretName is set .*: set kafka\.tls\.enabled=true/]],
  ['a name to log in to Kafka with, and no way', 'default', ['kafka.sasl.username="me"'], [/kafka\.sasl\.username is set .*: set kafka\.sasl\.mechanism to plain/]],
  ['a login to Kafka, and no way', 'default', ['kafka.sasl.existingSecret.name="user"'], [/kafka\.sasl\.existingSecret\.name is set .*: set kafka\.sasl\.mechanism to plain/]],
  ['an ingress without hosts', 'default', ['ingress.enabled=true'], [/ingress\.hosts is empty: list the hosts/]],
  ['routes without Gateways', 'default', ['httpRoute.enabled=true'], [/list httpRoute\.hosts and httpRoute\.parentRefs/]],
])('%s is refused, and it is said what to do', async (_name, installation, settings, told) => {
  const message = await refusal(installation, settings);
  for (const pattern of told) expect(message).toMatch(pattern);
});

test('all problems are told at once', async () => {
  const message = await refusal('default', ['kafka.brokers=[]', 'secrets.existingSecret=""', 'database.connectionLimit=100']);
  for (const pattern of [/kafka\.brokers is empty/, /there are no ADMIN_TOKEN/, /up to 310 connections/]) expect(message).toMatch(pattern);
});

test('a digest is taken', async () => {
  await expect(refusal('default', [`apps.runs.image.digest="${digest}"`])).rejects.toThrow('helm accepts');
});

// Makes the secrets of the services that compose.yaml starts, each into the volume of the service that may read it.
// What is there is kept: a changed key would make what it has encrypted unreadable.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.argv[2] ?? '/secrets';
const services = ['gateway', 'runs', 'engine-orchestrator', 'tool-executor', 'webhook-dispatcher', 'billing'];

function keep(service, name, make) {
  const path = join(root, service, name);
  // Readable for all: only containers that mount the volume see it, and they do not run as root.
  if (!existsSync(path)) writeFileSync(path, `${make()}\n`, { mode: 0o644 });
  return readFileSync(path, 'utf8').trim();
}

const token = () => randomBytes(24).toString('base64url');
const base64 = (text) => Buffer.from(text, 'base64url').toString('base64');

const tokens = services.map((service) => `${service}:${keep(service, 'service-token', token)}`);
for (const service of services) writeFileSync(join(root, service, 'service-tokens'), `${tokens.join(',')}\n`, { mode: 0o644 });
keep('gateway', 'api-key', () => `sk-ns-${token()}`);
keep('gateway', 'admin-token', token);
keep('webhook-dispatcher', 'encryption-key', () => randomBytes(32).toString('base64'));
if (!existsSync(join(root, 'gateway/seal-public-key'))) {
  const { privateKey } = generateKeyPairSync('x25519');
  const { x, d } = privateKey.export({ format: 'jwk' });
  keep('tool-executor', 'seal-private-key', () => base64(d));
  keep('gateway', 'seal-public-key', () => base64(x));
}

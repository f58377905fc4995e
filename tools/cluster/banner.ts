import type { ServiceProcess } from './plan.ts';

/** Where everything is, and a first request to paste. `keyFile` is undefined when the operator chose the API key. */
export function banner(cluster: {
  host: string;
  dataDir: string;
  services: readonly ServiceProcess[];
  servers: readonly { name: string; address: string }[];
  keyFile: string | undefined;
  newKey: string | undefined;
  adminTokenFile: string | undefined;
}): string {
  const reachable = cluster.host === '0.0.0.0' || cluster.host === '::' ? '127.0.0.1' : cluster.host;
  const gateways = cluster.services.filter(({ app }) => app === 'gateway');
  const api = `http://${reachable}:${gateways[0]?.port}`;
  const key = cluster.keyFile === undefined ? '$BOOTSTRAP_API_KEY' : `$(cat '${cluster.keyFile}')`;
  const body = '{"engine":"tim","input":{"instructions":"Say hello"}}';
  const rows: [string, string][] = [
    ...gateways.map(({ name, port, adminPort }): [string, string] => [name, `http://${reachable}:${port}  admin http://${reachable}:${adminPort}/admin/v1`]),
    ...cluster.services.filter(({ app }) => app !== 'gateway').map(({ name, port }): [string, string] => [name, `http://127.0.0.1:${port}`]),
  ].map(([name, address]): [string, string] => [name, `${address}  metrics http://127.0.0.1:${cluster.services.find((service) => service.name === name)?.metricsPort}/metrics`]);
  rows.push(...cluster.servers.map(({ name, address }): [string, string] => [name, address.replace(/:[^:@/]+@/, ':***@')]));
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    '',
    'Nightshift (cluster) is ready',
    '',
    `  API        ${api}   documentation ${api}/docs`,
    `  API key    ${cluster.keyFile ?? 'from BOOTSTRAP_API_KEY'}${cluster.newKey === undefined ? '' : `   (new, shown once: ${cluster.newKey})`}`,
    `  Admin key  ${cluster.adminTokenFile ?? 'from ADMIN_TOKEN'}`,
    `  Logs       ${cluster.dataDir}/cluster/*.log`,
    '',
    ...rows.map(([name, address]) => `  ${name.padEnd(width)}  ${address}`),
    '',
    `  curl -sS ${api}/v1/runs -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' -d '${body}'`,
    '',
  ].join('\n');
}

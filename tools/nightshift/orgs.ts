import { Org, OrgList, type RateLimits } from '@nightshift/contracts';
import type { Command } from 'commander';
import { action, examples, type Said, type Shell } from './action.ts';
import { AdminApi } from './admin-api.ts';
import type { Installation } from './installation.ts';
import { type Limit, limitOption, limitsText } from './limits.ts';
import { table } from './table.ts';

interface OrgOptions {
  readonly name?: string;
  readonly pool?: string;
  readonly rpm?: Limit;
  readonly tpm?: Limit;
  readonly egressAllow?: string[];
}

/** `orgs list|create|update`. */
export function addOrgs(program: Command, shell: Shell): void {
  const orgs = program.command('orgs').description('organisations: who may use the API, and how much');
  orgs.command('list').description('every organisation').action(action(shell, list));
  const create = orgs.command('create').description('make an organisation; its keys come from `keys create`').argument('<name>', 'what people call it');
  examples(settings(create).action(action<OrgOptions>(shell, (installation, [name], options) => make(installation, { ...options, name: name ?? '' }))), [
    ['nightshift orgs create Acme --rpm 600', 'at most 600 requests a minute'],
    ['nightshift orgs create Acme --pool acme --egress-allow 10.20.0.0/16', 'capacity of its own, and tools in a private network'],
  ]);
  const update = orgs.command('update').description('change what is given, and nothing else').argument('<org>', 'its id').option('--name <name>', 'what people call it');
  examples(settings(update).action(action<OrgOptions>(shell, (installation, [id], options) => change(installation, id ?? '', options))), [
    ['nightshift orgs update org_… --pool acme', 'new runs go to the pool acme'],
    ['nightshift orgs update org_… --rpm none', 'no limit of its own any more'],
  ]);
}

function settings(command: Command): Command {
  return command
    .option('--pool <pool>', 'the pool that does its runs')
    .option('--rpm <requests>', 'requests a minute, or none', limitOption)
    .option('--tpm <tokens>', 'tokens a minute, or none', limitOption)
    .option('--egress-allow <cidr...>', 'private ranges that its tools and webhooks may reach');
}

async function list(installation: Installation): Promise<Said> {
  const { orgs } = await new AdminApi(installation).call('GET', '/orgs', OrgList);
  return { json: { orgs }, text: orgTable(orgs) };
}

async function make(installation: Installation, { name, pool, rpm, tpm, egressAllow }: OrgOptions): Promise<Said> {
  const org = await new AdminApi(installation).call('POST', '/orgs', Org, { name, pool, limits: limitsWith({}, { rpm, tpm }), egressAllow });
  return { json: org, text: orgTable([org]) };
}

async function change(installation: Installation, id: string, { name, pool, rpm, tpm, egressAllow }: OrgOptions): Promise<Said> {
  const api = new AdminApi(installation);
  const path = `/orgs/${encodeURIComponent(id)}`;
  // Limits are replaced as a whole, and only one of them may be meant.
  const limits = rpm === undefined && tpm === undefined ? undefined : limitsWith((await api.call('GET', path, Org)).limits, { rpm, tpm });
  const org = await api.call('PATCH', path, Org, { name, pool, limits, egressAllow });
  return { json: org, text: orgTable([org]) };
}

function limitsWith(before: RateLimits, changes: { rpm?: Limit | undefined; tpm?: Limit | undefined }): RateLimits {
  const merged: Record<string, Limit | undefined> = { ...before, ...Object.fromEntries(Object.entries(changes).filter(([, limit]) => limit !== undefined)) };
  return Object.fromEntries(Object.entries(merged).filter(([, limit]) => limit !== 'none')) as RateLimits;
}

function orgTable(orgs: readonly Org[]): string {
  return table(['ID', 'NAME', 'POOL', 'LIMITS', 'EGRESS'], orgs.map(({ id, name, pool, limits, egressAllow }) => [id, name, pool, limitsText(limits), egressAllow.join(',') || '-']));
}

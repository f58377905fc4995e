import { ALL_SCOPES, type ApiKey, CreatedKey, KeyList } from '@nightshift/contracts';
import type { Command } from 'commander';
import { action, examples, type Said, type Shell } from './action.ts';
import { AdminApi } from './admin-api.ts';
import type { Installation } from './installation.ts';
import { countOption, limitsText } from './limits.ts';
import { table } from './table.ts';

interface KeyOptions {
  readonly scope?: string[];
  readonly expiresAt?: string;
  readonly answerEncoding?: string;
  readonly rpm?: number;
  readonly tpm?: number;
}

/** `keys list|create|revoke`. */
export function addKeys(program: Command, shell: Shell): void {
  const keys = program.command('keys').description('API keys of an organisation');
  keys.command('list').description('its keys, revoked ones too; never the keys themselves').argument('<org>', 'id of the organisation').action(action(shell, (installation, [org]) => list(installation, org ?? '')));
  const create = keys
    .command('create')
    .description('make a key, which is shown once')
    .argument('<org>', 'id of the organisation')
    .argument('<name>', 'what the key is for')
    .option('--scope <scope...>', `what it may do: ${ALL_SCOPES.join(', ')} (all of them)`)
    .option('--expires-at <time>', 'when it ends to work, such as 2027-01-31T00:00:00Z')
    .option('--answer-encoding <encoding>', 'how answers of runs are written: object or string')
    .option('--rpm <requests>', 'requests a minute, on top of the organisation’s limit', countOption)
    .option('--tpm <tokens>', 'tokens a minute, on top of the organisation’s limit', countOption)
    .action(action<KeyOptions>(shell, (installation, [org, name], options) => make(installation, org ?? '', name ?? '', options)));
  examples(create, [
    ['nightshift keys create org_… ci', 'a key that may do all'],
    ['nightshift keys create org_… dashboard --scope runs:read', 'a key that only reads'],
    ['nightshift --json keys create org_… ci | jq -r .key', 'the key alone'],
  ]);
  keys.command('revoke').description('end a key; gateways forget it within two seconds').argument('<key>', 'its id').action(action(shell, (installation, [key]) => revoke(installation, key ?? '')));
}

async function list(installation: Installation, org: string): Promise<Said> {
  const { keys } = await new AdminApi(installation).call('GET', `/orgs/${encodeURIComponent(org)}/keys`, KeyList);
  return { json: { keys }, text: keyTable(keys) };
}

async function make(installation: Installation, org: string, name: string, { scope, expiresAt, answerEncoding, rpm, tpm }: KeyOptions): Promise<Said> {
  const body = { name, scopes: scope, expiresAt, answerEncoding, limits: { rpm, tpm } };
  const created = await new AdminApi(installation).call('POST', `/orgs/${encodeURIComponent(org)}/keys`, CreatedKey, body);
  return { json: created, text: `${keyTable([created])}\n\n${created.key}\nKeep it: it is not shown again.` };
}

async function revoke(installation: Installation, key: string): Promise<Said> {
  await new AdminApi(installation).delete(`/keys/${encodeURIComponent(key)}`);
  return { json: { id: key, revoked: true }, text: `${key} is revoked` };
}

function keyTable(keys: readonly ApiKey[]): string {
  const state = ({ revokedAt, expiresAt }: ApiKey) => (revokedAt !== undefined ? `revoked ${revokedAt}` : expiresAt === undefined ? 'valid' : `${Date.parse(expiresAt) > Date.now() ? 'valid until' : 'expired'} ${expiresAt}`);
  return table(['ID', 'NAME', 'PREFIX', 'SCOPES', 'LIMITS', 'STATE'], keys.map((key) => [key.id, key.name, key.prefix, key.scopes.join(','), limitsText(key.limits), state(key)]));
}

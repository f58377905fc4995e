import { type DeadLetter, DeadLetterCount, DeadLetterList } from '@nightshift/contracts';
import type { Command } from 'commander';
import { action, examples, type Said, type Shell } from './action.ts';
import { AdminApi } from './admin-api.ts';
import { EXIT, Failure } from './failure.ts';
import type { Installation } from './installation.ts';
import { countOption } from './limits.ts';
import { table } from './table.ts';

interface Filter {
  readonly service?: string;
  readonly topic?: string;
}

interface CommandOptions extends Filter {
  readonly id?: string[];
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

const LIMIT = 100;
const ERROR_SHOWN_MAX = 160;

/** `dead-letters list|redrive|drop`. */
export function addDeadLetters(program: Command, shell: Shell): void {
  const letters = program.command('dead-letters').description('messages that a service could not handle');
  const filtered = (command: Command) => command.option('--service <service>', 'only those of this service').option('--topic <topic>', 'only those of this topic');
  examples(filtered(letters.command('list').description('newest first, service by service')).option('--limit <count>', 'at most so many', countOption, LIMIT).action(action<Filter & { limit: number }>(shell, (installation, _, options) => list(installation, options))), [
    ['nightshift dead-letters list --service runs', 'what runs could not handle'],
    ['nightshift --json dead-letters list', 'with payloads (up to 4 KiB) and whole errors'],
  ]);
  for (const [name, description] of [['redrive', 'hand them to the service again; what succeeds is gone'], ['drop', 'forget them for ever']] as const) {
    const command = filtered(letters.command(name).description(description)).option('--id <id...>', 'only these').option('--all', 'every one there is').option('--dry-run', 'only count');
    examples(command.action(action<CommandOptions>(shell, (installation, _, options) => send(installation, name, options))), [
      [`nightshift dead-letters ${name} --service runs --dry-run`, 'how many that would be'],
      [`nightshift dead-letters ${name} --id dlq_…`, 'this one'],
    ]);
  }
}

/** Pages through them up to `limit`. */
export async function deadLetters(api: AdminApi, { service, topic }: Filter, limit: number): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  let cursor: string | null = null;
  do {
    const query: string = new URLSearchParams(Object.entries({ service, topic, cursor: cursor ?? undefined }).filter((entry): entry is [string, string] => entry[1] !== undefined)).toString();
    const page: DeadLetterList = await api.call('GET', `/dead-letters?${query}`, DeadLetterList);
    found.push(...page.deadLetters);
    cursor = page.nextCursor;
  } while (cursor !== null && found.length < limit);
  return found.slice(0, limit);
}

async function list(installation: Installation, { limit, ...filter }: Filter & { limit: number }): Promise<Said> {
  const found = await deadLetters(new AdminApi(installation), filter, limit);
  const firstLine = (text: string) => (text.split('\n')[0] ?? '').slice(0, ERROR_SHOWN_MAX);
  const rows = found.map(({ id, service, topic, key, attempts, createdAt, error }) => [id, service, topic, key, String(attempts), createdAt, firstLine(error)]);
  return { json: { deadLetters: found }, text: found.length === 0 ? 'no dead letters' : table(['ID', 'SERVICE', 'TOPIC', 'KEY', 'ATTEMPTS', 'SINCE', 'ERROR'], rows) };
}

async function send(installation: Installation, name: 'redrive' | 'drop', { service, topic, id, all, dryRun }: CommandOptions): Promise<Said> {
  // The server takes an empty filter for all of them, which nobody should say by leaving something out.
  if (!all && service === undefined && topic === undefined && id === undefined) throw new Failure(EXIT.usage, `say which: --service, --topic, --id, or --all`);
  const body = { filter: { service, topic, ids: id }, dryRun: dryRun ?? false };
  const counted = await new AdminApi(installation).call('POST', `/dead-letters/${name}`, DeadLetterCount, body);
  const done = name === 'redrive' ? 'handled' : 'dropped';
  const text = dryRun ? `${counted.count} would be ${done === 'handled' ? 'handled again' : done}` : `${counted.count} ${done}${counted.failed > 0 ? `, ${counted.failed} failed again: see \`dead-letters list\`` : ''}`;
  return { json: counted, text, exitCode: counted.failed > 0 ? EXIT.trouble : EXIT.done };
}

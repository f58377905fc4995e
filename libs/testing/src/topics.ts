import { randomBytes } from 'node:crypto';

/** A name that no other test has, for topics, groups, schemas and keys: `<prefix>_<12 hex digits>`. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`;
}

/** Each name with the same unique suffix, by the name it was made of: `{ 'run.commanded': 'run.commanded.1f…' }`. */
export function uniqueTopics<const Name extends string>(names: readonly Name[]): Record<Name, string> {
  const suffix = randomBytes(6).toString('hex');
  return Object.fromEntries(names.map((name) => [name, `${name}.${suffix}`])) as Record<Name, string>;
}

import { readFileSync } from 'node:fs';
import type { z } from 'zod';

/** What a configuration was read from. */
export interface ConfigSource {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The problems of an environment, one line each, or the parsed configuration. */
export type ConfigResult<T> = { ok: true; config: T } | { ok: false; problems: string[] };

/**
 * Parses the environment with an app's schema. A variable `X` may be given as a file in `X_FILE`.
 * An empty variable counts as absent. Every problem is reported at once.
 */
export function parseConfig<S extends z.ZodType>(schema: S, source: ConfigSource): ConfigResult<z.infer<S>> {
  const problems: string[] = [];
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(source.env)) {
    if (value !== undefined && value !== '') values[name] = value;
  }
  for (const [name, path] of Object.entries(values)) {
    const target = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : '';
    if (target === '' || target in values || target === 'ENGINES') continue;
    try {
      values[target] = readFileSync(path, 'utf8').trim();
    } catch (err) {
      if (!isOwnVariable(target, schema)) continue;
      problems.push(`${name}: cannot read ${path}: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  const parsed = schema.safeParse(values);
  if (parsed.success && problems.length === 0) return { ok: true, config: parsed.data };
  for (const issue of parsed.error?.issues ?? []) problems.push(`${issue.path.join('.') || 'environment'}: ${issue.message}`);
  return { ok: false, problems };
}

function isOwnVariable(name: string, schema: z.ZodType): boolean {
  return 'shape' in schema && typeof schema.shape === 'object' && schema.shape !== null && name in schema.shape;
}

/**
 * Reads the configuration of this process or ends it: status 2 with every problem on stderr.
 * With `--check-config` it says that all is well and ends with status 0.
 */
export function loadConfig<S extends z.ZodType>(schema: S, name: string): z.infer<S> {
  const result = parseConfig(schema, { env: process.env });
  if (!result.ok) {
    process.stderr.write(`${name}: the configuration is not valid:\n${result.problems.map((line) => `  - ${line}\n`).join('')}`);
    process.exit(2);
  }
  if (process.argv.includes('--check-config')) {
    process.stdout.write(`${name}: the configuration is valid\n`);
    process.exit(0);
  }
  return result.config;
}

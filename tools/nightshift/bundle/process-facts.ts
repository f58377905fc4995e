import { closeSync, existsSync, fstatSync, globSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Endpoint, Environment } from '../installation.ts';

const TIMEOUT_MS = 5000;
const LOG_BYTES_MAX = 512 * 1024;

/** What a process answers about itself: its status and text, or why it does not. */
export async function ask(url: string): Promise<{ status: number; text: string } | { problem: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { status: response.status, text: await response.text() };
  } catch (err) {
    const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
    return { problem: (cause as { code?: string }).code ?? (cause instanceof Error ? cause.name : 'failed') };
  }
}

/** `/ready` and `/metrics` of each process, as the files of a bundle. */
export async function askAll(services: readonly Endpoint[]): Promise<{ name: string; text: string }[]> {
  const files = await Promise.all(
    services.map(async ({ name, url, metricsUrl }) => {
      const ready = await ask(`${url}/ready`);
      const metrics = metricsUrl === undefined ? undefined : await ask(metricsUrl);
      const told = metrics === undefined ? [] : [{ name: `metrics/${name}.prom`, text: 'text' in metrics ? metrics.text : `# ${metrics.problem}\n` }];
      return [{ name: `ready/${name}.json`, text: 'text' in ready ? ready.text : JSON.stringify(ready) }, ...told];
    }),
  );
  return files.flat();
}

/** The environment of each process of a local installation, where the system tells it. */
export function environmentsOf(dataDir: string): { name: string; env: Environment }[] {
  return globSync(['standalone.pid', 'cluster/*-[0-9]*.pid'], { cwd: dataDir }).flatMap((file) => {
    const environ = `/proc/${readFileSync(join(dataDir, file), 'utf8').trim()}/environ`;
    if (!existsSync(environ)) return [];
    const pairs = readFileSync(environ, 'utf8').split('\0').filter((line) => line.includes('='));
    return [{ name: basename(file, '.pid'), env: Object.fromEntries(pairs.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])) }];
  });
}

/** The secrets that a local installation keeps in its data folder. */
export function keptSecrets(dataDir: string): string[] {
  const texts = ['api-key', 'admin-token', 'encryption-key', 'seal-key', 'service-tokens', 'postgres/password'].flatMap((name) => {
    const path = join(dataDir, name);
    return existsSync(path) ? [readFileSync(path, 'utf8').trim()] : [];
  });
  // Keys and tokens in pairs are kept as JSON.
  return texts.flatMap((text) => (text.startsWith('{') ? Object.values(JSON.parse(text) as Record<string, string>) : [text]));
}

/** The end of a log, from the beginning of a line. */
export function endOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, LOG_BYTES_MAX));
    const text = bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, size - bytes.length));
    return size > bytes.length ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    closeSync(file);
  }
}

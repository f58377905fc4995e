/** Generates the Prisma clients whose schema changed (a schema without a generator only describes its tables), then compiles every package that is not up to date. */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './command.ts';

const root = join(import.meta.dirname, '..');
const stamps = join(root, 'dist/prisma');
const bin = (name: string) => join(root, 'node_modules/.bin', name);

async function generateClients(): Promise<void> {
  const version = readFileSync(join(root, 'node_modules/prisma/package.json'));
  const stale = globSync('apps/*/prisma/schema.prisma', { cwd: root }).flatMap((schema) => {
    const app = dirname(dirname(schema));
    const text = readFileSync(join(root, schema), 'utf8');
    if (!/^generator /m.test(text)) return [];
    const digest = createHash('sha256').update(version).update(text).digest('hex');
    const stamp = join(stamps, app.replaceAll('/', '-'));
    const generated = join(root, app, 'src/generated/client.ts');
    const fresh = existsSync(generated) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
    return fresh ? [] : [{ app, schema, stamp, digest }];
  });
  if (stale.length === 0) return;
  console.error(`nightshift: generating the database clients of ${stale.map(({ app }) => app).join(', ')}`);
  mkdirSync(stamps, { recursive: true });
  await Promise.all(
    stale.map(async ({ schema, stamp, digest }) => {
      await runCommand(bin('prisma'), ['generate', '--no-hints', '--schema', schema], {
        cwd: root,
        quiet: true,
        // Generating needs no schema engine; naming any existing file keeps the CLI from downloading one.
        env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' },
      });
      writeFileSync(stamp, digest);
    }),
  );
}

async function compile(): Promise<void> {
  if (!existsSync(join(root, 'apps/standalone/dist/main.js'))) console.error('nightshift: building');
  await runCommand(bin('tsc'), ['--build'], { cwd: root });
}

try {
  await generateClients();
  await compile();
} catch (err) {
  console.error(`nightshift: ${err instanceof Error ? err.message : String(err)}`);
  process.exitCode = 1;
}

import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, globSync, lstatSync, lutimesSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesOf, type Imports, type ProductionApp } from './trace.ts';

/** One file or link of a tree. `bytes` of a link is 0. */
export interface TreeEntry {
  readonly path: string;
  readonly bytes: number;
}

export interface Tree {
  readonly app: ProductionApp;
  readonly entries: readonly TreeEntry[];
  /** Over paths, modes, contents and link targets. */
  readonly digest: string;
}

// Images of the same files are the same image, whenever they were made.
const MADE_AT = new Date('2020-01-01T00:00:00Z');
const NOTICES = '{LICENSE,LICENCE,NOTICE,COPYING,license,licence}{,.md,.txt,-MIT,-MIT.txt}';

/** What is started by name in an image. */
function programs(app: ProductionApp): Record<string, string> {
  return {
    'package.json': `${JSON.stringify({ name: `nightshift-${app}`, private: true, type: 'module' })}\n`,
    'main.js': `import './apps/${app}/dist/main.js';\n`,
    'migrate.js': `import { runMigrations } from '@nightshift/service';\n\nawait runMigrations(new URL('apps/', import.meta.url));\n`,
    'topics.js': `import { runTopics } from '@nightshift/service';\n\nawait runTopics();\n`,
  };
}

/**
 * Writes the production tree of an app to the folder `target`, which is replaced: all that an image of it needs
 * besides Node.js. It has the layout of the workspace, and `main.js`, `migrate.js` and `topics.js` at its root.
 * The same input gives the same files, with the same modes and times.
 */
export function writeTree(root: string, imports: Imports, app: ProductionApp, target: string): Tree {
  const traced = filesOf(root, imports, app);
  rmSync(target, { recursive: true, force: true });
  for (const path of new Set([...traced, ...noticesOf(root, traced)])) copy(join(root, path), join(target, path));
  for (const [name, text] of Object.entries(programs(app))) writeFileSync(join(target, name), text);
  const all = globSync('**', { cwd: target }).sort();
  // Deepest first, because a folder's time changes with what is in it.
  for (const path of all.toReversed()) settle(join(target, path));
  settle(target);
  return { app, ...describe(target, all) };
}

/** The terms under which packages may be passed on. */
function noticesOf(root: string, traced: readonly string[]): string[] {
  const packages = new Set(traced.flatMap((path) => /^(.*node_modules\/(?!@nightshift\/)(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
  return [...packages].flatMap((folder) => globSync(NOTICES, { cwd: join(root, folder) }).filter((name) => lstatSync(join(root, folder, name)).isFile()).map((name) => join(folder, name)));
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  if (lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else copyFileSync(from, to);
}

function settle(path: string): void {
  const stat = lstatSync(path);
  if (!stat.isSymbolicLink()) chmodSync(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
  lutimesSync(path, MADE_AT, MADE_AT);
}

function describe(target: string, paths: readonly string[]): Pick<Tree, 'entries' | 'digest'> {
  const digest = createHash('sha256');
  const entries = paths.flatMap((path): TreeEntry[] => {
    const stat = lstatSync(join(target, path));
    if (stat.isDirectory()) return [];
    const content = stat.isSymbolicLink() ? Buffer.from(readlinkSync(join(target, path))) : readFileSync(join(target, path));
    digest.update(`${path}\0${stat.isSymbolicLink() ? 'link' : stat.mode.toString(8)}\0${content.length}\0`).update(content);
    return [{ path, bytes: stat.isSymbolicLink() ? 0 : stat.size }];
  });
  return { entries, digest: digest.digest('hex') };
}

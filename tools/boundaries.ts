/** Fails on every import that the architecture forbids, with one line for each. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { findCycles } from './cycles.ts';
import { readImports, type SourceFacts } from './imports.ts';

const LINES_MAX = 300;
const SCOPE = '@nightshift/';

/** What each type of project may import besides itself; `testing` comes on top in tests. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  app: ['infra', 'contract', 'std'],
  infra: ['infra', 'contract', 'std'],
  testing: ['infra', 'contract', 'std'],
  contract: [],
  std: [],
};

/** Modules of Node that only compute. */
const PURE_MODULES = new Set(['node:assert', 'node:buffer', 'node:crypto', 'node:path', 'node:querystring', 'node:string_decoder', 'node:url', 'node:util']);
const NOUN_PACKAGES = new Set([`${SCOPE}contracts`, `${SCOPE}json-schema`, `${SCOPE}std`, 'zod']);
const NOT_NOUNS = new Set(['main.ts', 'config.ts', 'index.ts']);

interface Project {
  /** Its folder below the root, with `/` at the end. */
  readonly folder: string;
  readonly name: string;
  readonly type: string | null;
}

interface Source extends SourceFacts {
  readonly path: string;
  readonly project: Project | null;
  readonly lines: number;
}

/** Every violation in the workspace at `root`, as `path: what is wrong`, sorted. */
export function findViolations(root: string): string[] {
  const projects = readProjects(root);
  const sources = new Map(readSources(root, projects).map((source) => [source.path, source]));
  const byName = new Map(projects.map((project) => [project.name, project]));
  const violations: string[] = [];
  const edges = new Map<string, string[]>();
  const projectEdges = new Map<string, Set<string>>(projects.map(({ name }) => [name, new Set<string>()]));
  for (const project of projects) {
    if (project.type === null || !Object.hasOwn(ALLOWED, project.type)) violations.push(`${project.folder}package.json: needs one nx tag of ${Object.keys(ALLOWED).map((type) => `type:${type}`).join(', ')}`);
  }
  for (const source of sources.values()) {
    const say = (what: string) => violations.push(`${source.path}: ${what}`);
    const targets: string[] = [];
    if (source.lines > LINES_MAX) say(`${source.lines} lines, at most ${LINES_MAX}`);
    if (source.exportsAll) say('exports everything of another module; name what it exports');
    if (source.barrel && source.path !== `${source.project?.folder}src/index.ts`) say("is a barrel; only a project's own src/index.ts may be one");
    for (const specifier of source.specifiers) {
      const target = specifier.startsWith('.') ? relative(root, resolve(root, dirname(source.path), specifier)) : null;
      const broken = target === null ? packageRule(source, specifier, byName) : relativeRule(source, target, projects);
      if (broken !== null) say(broken);
      else if (isNoun(source) && !nounMayImport(source, specifier, target)) say(`is a noun file and imports ${specifier}; it may import noun files, contracts, json-schema, std and zod`);
      if (target !== null && sources.has(target)) targets.push(target);
      const imported = specifier.startsWith(SCOPE) ? byName.get(specifier) : undefined;
      if (imported !== undefined && imported !== source.project && source.project !== null && !isTest(source.path)) projectEdges.get(source.project.name)?.add(imported.name);
    }
    edges.set(source.path, targets);
  }
  for (const cycle of findCycles(edges)) violations.push(`${cycle[0]}: imports itself: ${[...cycle, cycle[0]].join(' → ')}`);
  for (const cycle of findCycles(projectEdges)) violations.push(`${byName.get(cycle[0] ?? '')?.folder}: the project depends on itself: ${[...cycle, cycle[0]].join(' → ')}`);
  return violations.sort();
}

function packageRule(source: Source, specifier: string, byName: ReadonlyMap<string, Project>): string | null {
  if (!specifier.startsWith(SCOPE)) return null;
  const target = byName.get(specifier);
  if (target === undefined) return specifier.split('/').length > 2 ? `imports ${specifier}; a project is imported by its name alone` : `imports ${specifier}, which no project is called`;
  const { project } = source;
  if (project === null || project.type === null || target.type === null) return null;
  if (target === project) return isTest(source.path) ? null : `imports its own project ${specifier}; use a relative path`;
  if (target.type === 'testing') return isTest(source.path) || project.type === 'testing' ? null : `imports ${specifier}, which is for tests alone`;
  if (target.type === 'app') return project.folder === 'apps/standalone/' ? null : `imports ${specifier}; only apps/standalone may import apps`;
  return ALLOWED[project.type]?.includes(target.type) ? null : `imports ${specifier}; type:${project.type} may not import type:${target.type}`;
}

function relativeRule(source: Source, target: string, projects: readonly Project[]): string | null {
  const owner = ownerOf(target, projects);
  return owner === null || owner === source.project ? null : `reaches into ${owner.folder.slice(0, -1)} by a relative path; import ${owner.name}`;
}

/** A pure file of an app: no suffix in its name. */
function isNoun({ path, project }: { path: string; project: Project | null }): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return project?.type === 'app' && path.startsWith(`${project.folder}src/`) && !path.includes('/generated/') && name.split('.').length === 2 && !NOT_NOUNS.has(name);
}

function nounMayImport({ project }: Source, specifier: string, target: string | null): boolean {
  if (target !== null) return isNoun({ path: target, project });
  return specifier.startsWith('node:') ? PURE_MODULES.has(specifier) : NOUN_PACKAGES.has(specifier);
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.includes('/test/');
}

function readProjects(root: string): Project[] {
  return globSync('{apps,libs}/*/package.json', { cwd: root }).map((path) => {
    const { name, nx } = JSON.parse(readFileSync(join(root, path), 'utf8')) as { name: string; nx?: { tags?: string[] } };
    const types = (nx?.tags ?? []).filter((tag) => tag.startsWith('type:'));
    return { folder: `${dirname(path)}/`, name, type: types.length === 1 ? (types[0] ?? '').slice('type:'.length) : null };
  });
}

function readSources(root: string, projects: readonly Project[]): Source[] {
  const skipped = new Set(['node_modules', 'dist', 'generated']);
  const paths = globSync(['*.ts', '{apps,libs}/*/{src,test}/**/*.ts', '{tools,e2e}/**/*.ts'], { cwd: root, exclude: (path) => skipped.has(path.slice(path.lastIndexOf('/') + 1)) });
  return paths.map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, project: ownerOf(path, projects), lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0), ...readImports(text) };
  });
}

function ownerOf(path: string, projects: readonly Project[]): Project | null {
  return projects.find(({ folder }) => path.startsWith(folder)) ?? null;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  if (!existsSync(join(root, 'apps'))) throw new Error(`no workspace at ${root}`);
  const violations = findViolations(root);
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) {
    console.error(`boundaries: ${violations.length} violations`);
    process.exitCode = 1;
  }
}

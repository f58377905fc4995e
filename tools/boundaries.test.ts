import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findViolations } from './boundaries.ts';

const projects = {
  'apps/gateway': 'app',
  'apps/runs': 'app',
  'apps/standalone': 'app',
  'libs/http': 'infra',
  'libs/postgres': 'infra',
  'libs/contracts': 'contract',
  'libs/std': 'std',
  'libs/testing': 'testing',
};

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'boundaries-'));
  for (const [folder, type] of Object.entries(projects)) {
    write({ [`${folder}/package.json`]: JSON.stringify({ name: `@nightshift/${folder.split('/')[1]}`, nx: { tags: [`type:${type}`] } }) });
  }
});
afterEach(() => rmSync(root, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

function violations(files: Record<string, string>): string[] {
  write(files);
  return findViolations(root);
}

test('a workspace that keeps the rules has no violations', () => {
  expect(
    violations({
      'apps/standalone/src/main.ts': "import '@nightshift/gateway'; import '@nightshift/http';",
      'apps/gateway/src/index.ts': "export { a } from './a.ts';",
      'apps/gateway/src/a.ts': "import { z } from 'zod'; import type { B } from './b.ts'; import '@nightshift/std'; import { createHash } from 'node:crypto'; export const a = createHash as B;",
      'apps/gateway/src/b.ts': "import '@nightshift/contracts'; export type B = 1;",
      'apps/gateway/src/b.store.ts': "import '@nightshift/postgres'; import './generated/client.ts'; import './b.ts'; import 'node:fs';",
      'apps/gateway/src/b.test.ts': "import '@nightshift/testing'; import 'fast-check'; import './b.ts';",
      'apps/gateway/src/generated/client.ts': `import 'node:fs';\n${'// generated\n'.repeat(400)}`,
      'apps/gateway/test/b.int.test.ts': "import '@nightshift/testing'; import '../src/b.store.ts';",
      'libs/http/src/index.ts': "export { x } from './x.ts';",
      'libs/http/src/x.ts': "import '@nightshift/postgres'; export const x = 1;",
      'libs/testing/src/index.ts': "import '@nightshift/postgres';",
      'e2e/a.test.ts': "import '../tools/t.ts'; import '@nightshift/testing';",
      'tools/t.ts': "import '@nightshift/testing';",
    }),
  ).toEqual([]);
});

describe('between projects', () => {
  test.each([
    ['apps/runs/src/a.store.ts', '@nightshift/gateway', 'only apps/standalone may import apps'],
    ['apps/runs/test/a.int.test.ts', '@nightshift/gateway', 'only apps/standalone may import apps'],
    ['libs/http/src/a.ts', '@nightshift/gateway', 'only apps/standalone may import apps'],
    ['libs/std/src/a.ts', '@nightshift/contracts', 'type:std may not import type:contract'],
    ['libs/contracts/src/a.ts', '@nightshift/std', 'type:contract may not import type:std'],
    ['libs/std/src/a.ts', '@nightshift/http', 'type:std may not import type:infra'],
    ['apps/runs/src/a.store.ts', '@nightshift/testing', 'which is for tests alone'],
    ['libs/http/src/a.ts', '@nightshift/testing', 'which is for tests alone'],
    ['libs/http/src/a.ts', '@nightshift/http', 'use a relative path'],
    ['libs/http/src/a.ts', '@nightshift/absent', 'which no project is called'],
    ['libs/http/src/a.ts', '@nightshift/std/src/must.ts', 'by its name alone'],
    ['libs/http/src/a.ts', '@nightshift/std/dist/index.js', 'by its name alone'],
    ['libs/http/src/a.ts', '../../std/src/must.ts', 'import @nightshift/std'],
    ['tools/a.ts', '../libs/std/src/must.ts', 'import @nightshift/std'],
    ['e2e/a.test.ts', '../apps/runs/src/main.ts', 'import @nightshift/runs'],
  ])('%s may not import %s', (path, specifier, why) => {
    const forms = [`import '${specifier}';`, `import type { A } from '${specifier}';`, `export { a } from '${specifier}';\nexport const b = 1;`, `await import('${specifier}');`, `export type A = import('${specifier}').A;`];
    for (const form of forms) {
      const found = violations({ [path]: form });
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(`${path}: `);
      expect(found[0]).toContain(why);
    }
  });

  test('infrastructure may not depend on itself in a circle', () => {
    expect(violations({ 'libs/http/src/a.ts': "import '@nightshift/postgres';", 'libs/postgres/src/a.ts': "import '@nightshift/http';" })).toEqual([
      'libs/http/: the project depends on itself: @nightshift/http → @nightshift/postgres → @nightshift/http',
    ]);
  });

  test('a project needs one type that exists', () => {
    write({ 'libs/odd/package.json': '{"name":"@nightshift/odd","nx":{"tags":["type:odd"]}}', 'libs/none/package.json': '{"name":"@nightshift/none"}' });
    expect(findViolations(root).map((line) => line.split(':')[0])).toEqual(['libs/none/package.json', 'libs/odd/package.json']);
  });
});

describe('inside an app', () => {
  test.each(['./a.store.ts', './config.ts', './app.module.ts', './generated/client.ts', '@nightshift/http', 'node:fs', 'node:fs/promises', 'node:net', 'pg', 'undici'])('a noun file may not import %s', (specifier) => {
    const files = { 'apps/runs/src/a.store.ts': '', 'apps/runs/src/config.ts': '', 'apps/runs/src/run.ts': `import type { X } from '${specifier}';` };
    expect(violations(files)).toEqual([`apps/runs/src/run.ts: is a noun file and imports ${specifier}; it may import noun files, contracts, json-schema, std and zod`]);
  });
});

test('files may not import themselves in a circle, by types either', () => {
  expect(
    violations({
      'libs/http/src/a.ts': "import './b.ts'; import './d.ts';",
      'libs/http/src/b.ts': "import type { C } from './c.ts';",
      'libs/http/src/c.ts': "export type C = import('./a.ts').A;",
      'libs/http/src/d.ts': "import './b.ts';",
    }),
  ).toEqual(['libs/http/src/a.ts: imports itself: libs/http/src/a.ts → libs/http/src/b.ts → libs/http/src/c.ts → libs/http/src/a.ts']);
});

test("only a project's own index.ts is a barrel, and it names what it exports", () => {
  expect(
    violations({
      'libs/http/src/a.ts': 'export const a = 1;',
      'libs/http/src/index.ts': "export * from './a.ts';",
      'libs/http/src/more/index.ts': "export { a } from '../a.ts';",
      'apps/runs/src/all.ts': "export { z } from 'zod';",
    }).map((line) => line.split(';')[0]),
  ).toEqual(['apps/runs/src/all.ts: is a barrel', 'libs/http/src/index.ts: exports everything of another module', 'libs/http/src/more/index.ts: is a barrel']);
});

test('a file of 300 lines is short enough, one of 301 is not', () => {
  expect(violations({ 'libs/std/src/a.ts': '//\n'.repeat(300), 'tools/b.ts': '//\n'.repeat(301) })).toEqual(['tools/b.ts: 301 lines, at most 300']);
});

test('a file that cannot be parsed is an error, not a file without imports', () => {
  expect(() => violations({ 'libs/std/src/a.ts': 'import {' })).toThrow();
});

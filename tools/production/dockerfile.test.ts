import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DockerfileParser } from 'dockerfile-ast';
import { validate, ValidationSeverity } from 'dockerfile-utils';

// Its types say that the function is a field of itself.
const dockerignore = createRequire(import.meta.url)('@balena/dockerignore') as typeof import('@balena/dockerignore').default;
const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docker/Dockerfile'), 'utf8');
const dockerfile = DockerfileParser.parse(text);
const argument = (name: string) => dockerfile.getARGs().map((arg) => arg.getProperty()).find((property) => property?.getName() === name)?.getValue();
const instructions = (keyword: string) => dockerfile.getInstructions().filter((instruction) => instruction.getKeyword() === keyword);

const everything = { deprecatedMaintainer: ValidationSeverity.ERROR, directiveCasing: ValidationSeverity.ERROR, emptyContinuationLine: ValidationSeverity.ERROR, instructionCasing: ValidationSeverity.ERROR, instructionCmdMultiple: ValidationSeverity.ERROR, instructionEntrypointMultiple: ValidationSeverity.ERROR, instructionHealthcheckMultiple: ValidationSeverity.ERROR, instructionJSONInSingleQuotes: ValidationSeverity.ERROR, instructionWorkdirRelative: ValidationSeverity.ERROR };
const problems = (content: string) => validate(content, everything).map(({ range, message }) => `${range.start.line + 1}: ${message}`);

describe('the Dockerfile', () => {
  test('is valid', () => {
    expect(problems(text)).toEqual([]);
    expect(problems(text.replace('HEALTHCHECK --interval=10s', 'HEALTHCHECK --interval=10'))).toHaveLength(1);
  });

  test('builds with the Node.js that everything is tested with', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
    expect(argument('NODE_IMAGE')).toBe(`node:${devDependencies['node']}-trixie-slim`);
    expect(argument('BASE_IMAGE')).toBe('debian:trixie-slim');
  });

  test('runs as a user that is not root, and that it has made', () => {
    const user = instructions('USER').at(-1)?.getArgumentsContent();
    expect(user).toBe('1000:1000');
    expect(text).toContain('nightshift:x:1000:1000:');
  });

  test('says how healthy it is with the Node.js of the image, without a shell', () => {
    expect(dockerfile.getHEALTHCHECKs()).toHaveLength(1);
    const [command] = /CMD (\[.*\])/.exec(text.slice(text.indexOf('HEALTHCHECK'))) ?.slice(1) ?? [];
    expect((JSON.parse(command ?? 'null') as string[])[0]).toBe('node');
  });

  test('takes into the image nothing but Node.js and the production tree', () => {
    const last = dockerfile.getFROMs().at(-1)?.getRange()?.start.line ?? 0;
    const copies = dockerfile.getCOPYs().filter((copy) => (copy.getRange()?.start.line ?? 0) > last).map((copy) => copy.getArgumentsContent() ?? '');
    expect(copies.length).toBeGreaterThan(1);
    expect(copies.filter((copy) => !/^(--from=build )?(\/usr\/local\/bin\/node|\/tree\/)/.test(copy))).toEqual([]);
  });
});

test('the build sees the sources, and neither secrets nor what was built or installed here', () => {
  const context = dockerignore().add(readFileSync(join(root, '.dockerignore'), 'utf8'));
  const seen = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json', 'apps/runs/package.json', 'apps/runs/tsconfig.json', 'apps/runs/src/main.ts', 'apps/runs/prisma/schema.prisma', 'apps/runs/prisma/migrations/0001_init/migration.sql', 'libs/http/src/index.ts', 'tools/build.ts', 'tools/production-tree.ts', 'tools/production/tree.ts'];
  const hidden = ['.git/config', '.env', '.nightshift/api-key', 'node_modules/zod/index.js', 'apps/runs/dist/main.js', 'apps/runs/src/generated/client.ts', 'apps/runs/src/run.test.ts', 'apps/runs/test/stage.ts', 'docs/api.md', 'README.md'];
  expect(context.filter([...seen, ...hidden]).toSorted()).toEqual(seen.toSorted());
});

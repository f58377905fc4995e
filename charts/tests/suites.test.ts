import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { chart, templates } from './chart.ts';
import { runSuites } from './suites.ts';

const { results, written } = await runSuites();

test('each template has a suite', () => {
  expect(globSync('*_test.yaml', { cwd: join(chart, 'tests') }).map((path) => basename(path, '_test.yaml')).sort()).toEqual(templates);
});

test('each snapshot is kept in the repository', () => {
  expect(written).toEqual([]);
});

describe.each([...new Set(results.map(({ suite }) => suite))])('%s', (suite) => {
  test.each(results.filter((result) => result.suite === suite).map(({ name, failure }) => ({ name, failure })))('$name', ({ failure }) => {
    expect(failure).toBeUndefined();
  });
});

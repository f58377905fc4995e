import type { Config } from 'jest';

const typescript: Config['transform'] = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        target: 'es2024',
      },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    },
  ],
};

const project = (displayName: string, testMatch: string[], more: Partial<Config> = {}): Config => ({
  displayName,
  rootDir: import.meta.dirname,
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  testMatch: testMatch.map((pattern) => `<rootDir>/${pattern}`),
  modulePathIgnorePatterns: ['<rootDir>/(apps|libs)/[^/]+/dist/', '<rootDir>/dist/', '<rootDir>/.nightshift/'],
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  transform: typescript,
  // Tests run the sources, not what was built of them.
  moduleNameMapper: { '^@nightshift/([^/]+)$': ['<rootDir>/libs/$1/src/index.ts', '<rootDir>/apps/$1/src/index.ts'] },
  ...more,
});

const config: Config = {
  projects: [
    project('unit', ['libs/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'tools/**/!(*.int).test.ts']),
    project('integration', ['libs/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'tools/**/*.int.test.ts']),
    project('chart', ['charts/tests/*.test.ts']),
    project('e2e', ['e2e/**/*.test.ts'], {
      globalSetup: '<rootDir>/e2e/jest-setup.ts',
      globalTeardown: '<rootDir>/e2e/jest-teardown.ts',
    }),
  ],
  testTimeout: 120_000,
  // Whoever has not exited by then holds something open; by default a worker of a busy machine has half a second.
  workerGracefulExitTimeout: 10_000,
};

export default config;

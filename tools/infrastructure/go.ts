import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CommandFailed, runCommand } from '../command.ts';
import { cached } from './cache.ts';

const programs = {
  helm: { package: 'helm.sh/helm/v3/cmd/helm', version: 'v3.17.3' },
  // The last one without a replace directive, with which `go install` refuses.
  'helm-unittest': { package: 'github.com/helm-unittest/helm-unittest/cmd/helm-unittest', version: 'v0.8.2' },
  kubeconform: { package: 'github.com/yannh/kubeconform/cmd/kubeconform', version: 'v0.7.0' },
  'compose-go': { package: 'github.com/compose-spec/compose-go/v2/cmd', version: 'v2.16.2' },
  kustomize: { package: 'sigs.k8s.io/kustomize/kustomize/v5', version: 'v5.6.0' },
} as const;
export type GoProgram = keyof typeof programs;

// The machine's own flags and module files are for its own projects.
const environment = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GO111MODULE: 'on' };

// Where Go's own installer puts it, which not every PATH names.
const commands = ['go', '/usr/local/go/bin/go'];

async function go(args: readonly string[], env: NodeJS.ProcessEnv = environment): Promise<string> {
  for (const command of commands) {
    try {
      return await runCommand(command, args, { quiet: true, env });
    } catch (err) {
      if (!(err instanceof CommandFailed && err.message.includes('ENOENT'))) throw err;
    }
  }
  throw new Error('the chart and the compose file are tested with programs written in Go: install Go 1.24 or newer (https://go.dev/dl)');
}

/** The path of a program, which is built from its released source if it is not cached yet: a minute or two each on two cores. */
export async function goProgram(name: GoProgram): Promise<string> {
  const { package: path, version } = programs[name];
  const directory = await cached(`${name}-${version}-${process.arch}`, async (unfinished) => {
    console.error(`nightshift: building ${name} ${version} with Go (once for all clones)`);
    await go(['install', '-trimpath', '-ldflags=-s -w', `${path}@${version}`], { ...environment, GOBIN: unfinished });
  });
  return join(directory, basename(path.replace(/\/v\d+$/, '')));
}

/** The folder with the source of a module at a version, `path@version`. */
export async function goModule(module: string): Promise<string> {
  const { Dir: folder } = JSON.parse(await go(['mod', 'download', '-json', module])) as { Dir?: string };
  if (folder === undefined || !existsSync(folder)) throw new Error(`Go did not download ${module}`);
  return folder;
}

import { type ChildProcess, spawn } from 'node:child_process';

const running = new Set<ChildProcess>();
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
function endAll(): void {
  for (const child of running) child.kill('SIGTERM');
}

// Only while a command runs, because listening for a signal takes its default effect away.
function track(child: ChildProcess): void {
  if (running.size === 0) for (const signal of signals) process.prependListener(signal, endAll);
  running.add(child);
}

function untrack(child: ChildProcess): void {
  running.delete(child);
  if (running.size === 0) for (const signal of signals) process.removeListener(signal, endAll);
}

export class CommandFailed extends Error {
  readonly output: string;

  constructor(message: string, output: string) {
    super(output.trim() === '' ? message : `${message}:\n${output.trim()}`);
    this.output = output;
  }
}

/**
 * Runs a command to its end and returns what it printed if `quiet`, else lets it print.
 * A signal to this process ends the command too. Throws `CommandFailed` with the output if it fails.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; quiet?: boolean } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: options.quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    });
    track(child);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', (err) => {
      untrack(child);
      reject(new CommandFailed(`${command} cannot be started: ${err.message}`, output));
    });
    child.once('close', (code, signal) => {
      untrack(child);
      if (code === 0) resolve(output);
      else reject(new CommandFailed(`${command} ${args.join(' ')} ended with ${signal ?? `code ${code}`}`, output));
    });
  });
}

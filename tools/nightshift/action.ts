import type { Command } from 'commander';
import { EXIT, type ExitCode } from './failure.ts';
import { type Environment, findInstallation, type GlobalOptions, type Installation } from './installation.ts';

/** What a command has to say: to people, and with `--json` to programs. */
export interface Said {
  readonly text: string;
  readonly json: unknown;
  readonly exitCode?: ExitCode;
}

/** What commands live in. `end` gets the status that the process ends with. */
export interface Shell {
  readonly environment: Environment;
  readonly print: (text: string) => void;
  readonly end: (code: ExitCode) => void;
}

/** Makes a command's action of what it does to an installation, given its arguments and options. */
export function action<O extends object>(shell: Shell, work: (installation: Installation, args: readonly string[], options: O) => Promise<Said>): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const options = command.optsWithGlobals<GlobalOptions & O>();
    const said = await work(findInstallation(options, shell.environment), command.args, options);
    shell.print(options.json ? JSON.stringify(said.json, null, 2) : said.text);
    shell.end(said.exitCode ?? EXIT.done);
  };
}

/** Examples at the end of a command's help, each with what it does. */
export function examples(command: Command, lines: readonly (readonly [command: string, does: string])[]): Command {
  const width = Math.max(...lines.map(([text]) => text.length));
  return command.addHelpText('after', `\nExamples:\n${lines.map(([text, does]) => `  ${text.padEnd(width)}  ${does}`).join('\n')}`);
}

import { Command, CommanderError } from 'commander';
import type { Shell } from './action.ts';
import { addCheckConfig } from './check-config.ts';
import { addDeadLetters } from './dead-letters.ts';
import { EXIT, type ExitCode, Failure } from './failure.ts';
import { addKeys } from './keys.ts';
import { addOrgs } from './orgs.ts';
import { addPools } from './pools.ts';
import { addSupportBundle } from './support-bundle.ts';
import { addTopics } from './topics.ts';
import { version } from './version.ts';

const HELP = `
The admin API is looked for at ADMIN_URL (else on this machine, at ADMIN_PORT or PORT + 1), with ADMIN_TOKEN or
ADMIN_TOKEN_FILE. Beside a local installation nothing needs to be said: its data folder (DATA_DIR) tells the rest.

It ends with
  0  done, and all is well
  1  something is wrong: a check failed, a topic is missing, dead letters failed again, the server refused
  2  the command or its configuration cannot be understood
  3  something could not be reached, or refused the token`;

/** Runs one command line. Prints with `print` and `complain`, and gives the status to end with. */
export async function nightshift(args: readonly string[], { environment, print, complain }: Pick<Shell, 'environment' | 'print'> & { complain: (text: string) => void }): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const shell: Shell = { environment, print, end: (status) => (code = status) };
  const program = new Command('nightshift')
    .description('Operates an installation of Nightshift: its organisations, keys, topics, dead letters, configuration.')
    .version(version())
    .option('--json', 'print JSON')
    .option('--admin-url <url>', 'address of the admin API')
    .option('--token-file <path>', 'file that holds its token')
    .option('--data-dir <path>', 'data folder of a local installation')
    .option('--env-file <path>', 'variables to add to the environment, as NAME=value lines')
    .exitOverride()
    .configureOutput({ writeOut: (text) => print(text.trimEnd()), writeErr: (text) => complain(text.trimEnd()) })
    .showHelpAfterError('(--help tells more)')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', HELP);
  for (const add of [addOrgs, addKeys, addPools, addTopics, addDeadLetters, addCheckConfig, addSupportBundle]) add(program, shell);
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (err) {
    if (err instanceof CommanderError) return err.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(err instanceof Failure)) throw err;
    complain(`nightshift: ${err.message}`);
    return err.exitCode;
  }
}

/** The operator's command line: `npm run nightshift -- --help`. */
import { nightshift } from './program.ts';

process.exitCode = await nightshift(process.argv.slice(2), {
  environment: process.env,
  print: (text) => void process.stdout.write(`${text}\n`),
  complain: (text) => void process.stderr.write(`${text}\n`),
});

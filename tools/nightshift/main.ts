/** The operator's command line: `npm run nightshift -- --help`. */
import { nightshift } from './program.ts';

// Kafka's client sets timers for times that are past, and Node.js would warn of it in the middle of what is printed.
process.removeAllListeners('warning');
process.exitCode = await nightshift(process.argv.slice(2), {
  environment: process.env,
  print: (text) => void process.stdout.write(`${text}\n`),
  complain: (text) => void process.stderr.write(`${text}\n`),
});

/** Starts the embedded server and keeps running, so that a test can kill a starter. */
import { startEmbeddedPostgres } from '../src/embedded.ts';

const dataDir = process.argv[2];
if (dataDir === undefined) throw new Error('usage: embedded-starter.ts <data directory>');
const { pid } = await startEmbeddedPostgres({ dataDir });
console.log(pid);

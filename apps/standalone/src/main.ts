import { flushCompileCache } from 'node:module';
import { Worker } from 'node:worker_threads';

/** Loading takes most of a start, so both threads load at the same time. */
const worker = new Worker(new URL('./work.thread.js', import.meta.url));
const { run } = await import('./api.thread.ts');
await run(worker);
// Now rather than at the end, which a killed process does not have.
flushCompileCache();

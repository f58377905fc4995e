import { startFakeModel } from '@nightshift/testing';
import { serveUntilStopped } from './process.ts';

/** The fake model as a process of its own: `node tools/bench/fake-model.ts [--port 0]`; prints its address as JSON. */
await serveUntilStopped((port) => startFakeModel({ port }));

import { startFakeEndpoint } from '@nightshift/testing';
import { serveUntilStopped } from './process.ts';

/** The receiver of tool calls and webhooks as a process of its own: `node tools/bench/fake-endpoint.ts [--port 0] [--brief]`; prints its address as JSON. */
await serveUntilStopped((port) => startFakeEndpoint({ port, brief: process.argv.includes('--brief') }));

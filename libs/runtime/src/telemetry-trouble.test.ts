import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import type { Logger } from './log.ts';
import { startSpan, startTracing } from './telemetry.ts';

test('a collector that refuses spans is told of in the log, once, and keeps no process from ending', async () => {
  const collector = createServer((_request, response) => void response.writeHead(400).end('no'));
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  // Each span is a batch, so that two exports fail.
  process.env['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'] = '1';
  const said: [string, unknown][] = [];
  const log = { warn: (facts: unknown) => said.push(['warn', facts]), debug: (facts: unknown) => said.push(['debug', facts]) } as unknown as Logger;
  const stop = await startTracing('test', { sampler: 'always_on', ratio: 1 }, { log, flushMsMax: 60_000 });
  for (const name of ['a', 'b']) startSpan(name, { parent: undefined, kind: 'internal', attributes: {} }).end();
  await expect(stop()).resolves.toBeUndefined();
  expect(said.filter(([level]) => level === 'warn')).toEqual([['warn', { detail: expect.stringContaining('Bad Request') }]]);
  expect(said.length).toBeGreaterThan(1);
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
});

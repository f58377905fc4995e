import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readState, stop } from './product.ts';

/** Stops every product that the test files have left running for each other, whether or not the tests passed. */
export default async function tearDown(): Promise<void> {
  const folder = process.env['NIGHTSHIFT_E2E_DIR'];
  if (!folder) throw new Error('NIGHTSHIFT_E2E_DIR is not set: jest-setup.ts has not run');
  const states = (['standalone', 'cluster'] as const).map((shape) => readState(join(folder, `${shape}.json`))).filter((state) => state !== undefined);
  const results = await Promise.allSettled(states.map(stop));
  rmSync(folder, { recursive: true, force: true });
  const failed = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
  if (failed.length > 0) throw new AggregateError(failed, failed.map(String).join('\n'));
}

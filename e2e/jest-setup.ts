import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder in which the test files of this run find the products that an earlier file has started. */
export default function setUp(): void {
  process.env['NIGHTSHIFT_E2E_DIR'] = mkdtempSync(join(tmpdir(), 'nightshift-e2e-run-'));
}

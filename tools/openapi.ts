/** Writes libs/contracts/openapi.json: the public API as the gateway describes it. Works on what is built. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeApi } from '@nightshift/gateway';

const path = join(import.meta.dirname, '../libs/contracts/openapi.json');
writeFileSync(path, `${JSON.stringify(await describeApi(), null, 2)}\n`);

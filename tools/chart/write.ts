/** Writes what the chart has from the code: the variables of each app, and the schema of the values. Works on what is built. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { valuesSchema } from './schema.ts';
import { variablesByApp } from './variables.ts';

const chart = join(import.meta.dirname, '../../charts/nightshift');
writeFileSync(join(chart, 'files/environment.json'), `${JSON.stringify(variablesByApp(), null, 2)}\n`);
writeFileSync(join(chart, 'values.schema.json'), `${JSON.stringify(valuesSchema(), null, 2)}\n`);

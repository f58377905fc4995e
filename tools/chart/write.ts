/** Writes what the chart has from the code: the variables of each app, the schema of the values, and their table in docs/kubernetes.md. Works on what is built. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { valuesSchema } from './schema.ts';
import { withValuesTable } from './values-table.ts';
import { variablesByApp } from './variables.ts';

const root = join(import.meta.dirname, '../..');
const chart = join(root, 'charts/nightshift');
const page = join(root, 'docs/kubernetes.md');
writeFileSync(join(chart, 'files/environment.json'), `${JSON.stringify(variablesByApp(), null, 2)}\n`);
writeFileSync(join(chart, 'values.schema.json'), `${JSON.stringify(valuesSchema(), null, 2)}\n`);
writeFileSync(page, withValuesTable(readFileSync(page, 'utf8'), readFileSync(join(chart, 'values.yaml'), 'utf8')));

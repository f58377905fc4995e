/** Writes the Grafana dashboards into the chart: charts/nightshift/files/dashboards/<name>.json. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DASHBOARDS } from './dashboards/boards.ts';
import { render } from './dashboards/grafana.ts';

const folder = join(import.meta.dirname, '../charts/nightshift/files/dashboards');
mkdirSync(folder, { recursive: true });
for (const [name, dashboard] of Object.entries(DASHBOARDS)) writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(render(dashboard), null, 2)}\n`);

/** What a panel shows: a PromQL expression, and how its series are called. */
export interface Query {
  readonly expr: string;
  /** `{{label}}`s, or a fixed name. */
  readonly legend: string;
}

/** One panel of a dashboard. */
export interface Panel {
  readonly title: string;
  /** What one sees, and what is normal. */
  readonly description: string;
  /** Grafana's name of the unit: s, reqps, short, percentunit, currencyUSD, … */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** One large number instead of a curve. */
  readonly isNumber?: boolean;
  /** Points of the curve lead to traces. */
  readonly hasExemplars?: boolean;
}

/** Panels under one heading. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A choice at the top: the values of a label of a metric. */
export interface Choice {
  readonly name: string;
  readonly label: string;
  readonly metric: string;
}

/** One dashboard. */
export interface Dashboard {
  /** Stable: links and bookmarks name it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly choices?: readonly Choice[];
  readonly rows: readonly Row[];
}

const COLUMNS = 24;
const HEIGHT = 8;
const NUMBER_HEIGHT = 4;
const SOURCE = { type: 'prometheus', uid: '${datasource}' };
const SCHEMA_VERSION = 39;

/** The dashboard as Grafana imports it, the same for the same input. */
export function render({ uid, title, description, choices = [], rows }: Dashboard): object {
  let y = 0;
  let id = 0;
  const panels: object[] = [];
  for (const row of rows) {
    panels.push({ id: ++id, type: 'row', title: row.title, collapsed: false, gridPos: { h: 1, w: COLUMNS, x: 0, y }, panels: [] });
    y += 1;
    const w = COLUMNS / Math.min(row.panels.length, row.panels[0]?.isNumber ? 6 : 3);
    let x = 0;
    let h = 0;
    for (const panel of row.panels) {
      if (x + w > COLUMNS) [x, y] = [0, y + h];
      h = panel.isNumber ? NUMBER_HEIGHT : HEIGHT;
      panels.push({ id: ++id, gridPos: { h, w, x, y }, ...renderPanel(panel) });
      x += w;
    }
    y += h;
  }
  return {
    uid,
    title,
    description,
    tags: ['nightshift'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: false,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    links: [{ type: 'dashboards', title: 'Nightshift', tags: ['nightshift'], asDropdown: true, keepTime: true, includeVars: true }],
    templating: { list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {}, hide: 0 }, ...choices.map(renderChoice)] },
    annotations: { list: [] },
    panels,
  };
}

function renderPanel({ title, description, unit, queries, isNumber, hasExemplars }: Panel): object {
  const targets = queries.map(({ expr, legend }, index) => ({ refId: String.fromCodePoint(65 + index), datasource: SOURCE, expr, legendFormat: legend, range: !isNumber, instant: isNumber === true, ...(hasExemplars && { exemplar: true }) }));
  const common = { title, description, datasource: SOURCE, targets };
  if (isNumber) return { ...common, type: 'stat', fieldConfig: { defaults: { unit, decimals: 2 }, overrides: [] }, options: { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'value', graphMode: 'none', textMode: 'auto' } };
  return {
    ...common,
    type: 'timeseries',
    fieldConfig: { defaults: { unit, min: 0, custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'never', spanNulls: false } }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
  };
}

function renderChoice({ name, label, metric }: Choice): object {
  const query = `label_values(${metric}, ${name})`;
  return { name, label, type: 'query', datasource: SOURCE, query: { query, refId: name }, definition: query, refresh: 2, sort: 1, multi: true, includeAll: true, allValue: '.*', current: { text: 'All', value: '$__all' }, hide: 0 };
}

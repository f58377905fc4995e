import type { Shape } from './product.ts';

export type Bound = { readonly floor: number; readonly aim: number; readonly atLeast: boolean };

export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly bound: Bound | null;
};

const atMost = (floor: number, aim: number): Bound => ({ floor, aim, atLeast: false });
const atLeast = (floor: number, aim: number): Bound => ({ floor, aim, atLeast: true });

const rendering = { 'rendering 500 tasks, 8 KB results, median': atMost(5, 4), 'rendering 500 tasks, small results, median': atMost(5, 2) };

/** Alike in both shapes. */
const alike: Record<string, Bound> = {
  'webhook p50': atMost(20, 10),
  'webhook p99': atMost(100, 50),
  'webhook p50 beside 100,000 of a dead endpoint': atMost(20, 10),
  'memory grows beside 100,000 of a dead endpoint by': atMost(64, 32),
  'healthy endpoints beside sick ones keep of their rate': atLeast(95, 99),
  'token to client, 1 stream, p50': atMost(8, 4),
  'token to client, 1 stream, p99': atMost(40, 20),
  'token to client, 50 streams, p50': atMost(8, 4),
  'token to client, 50 streams, p99': atMost(40, 20),
  'token to client, 200 streams, p99': atMost(250, 100),
  'memory per idle observer': atMost(40, 20),
};

/** What has to be reached on two cores with everything on one machine, and what is aimed at. */
const bounds: Record<Shape, Record<string, Bound>> = {
  standalone: {
    'accept p99 at 1,000/s': atMost(50, 20),
    'accept maximum': atLeast(1_200, 3_000),
    'chat overhead, median': atMost(1.2, 0.8),
    'chat, 32 in flight': atLeast(1_500, 2_000),
    'first model request p50': atMost(6, 3),
    'overhead, 0 tools, 1 in flight, p50': atMost(12, 4),
    'runs, 0 tools, 64 in flight': atLeast(400, 900),
    'runs, 3 tools, 64 in flight': atLeast(150, 400),
    'claim beside 100,000 of a dead endpoint, p99 at most': atMost(10, 5),
    'deliveries sustained': atLeast(1_000, 1_500),
    'deliveries from a backlog': atLeast(1_800, 3_000),
    'second start': atMost(5_000, 2_000),
    ...alike,
    ...rendering,
  },
  cluster: {
    'first model request p50': atMost(15, 10),
    'overhead, 0 tools, 1 in flight, p50': atMost(30, 15),
    'runs, 0 tools, 64 in flight': atLeast(200, 450),
    'runs, 3 tools, 64 in flight': atLeast(80, 200),
    'dedicated pool, first model request p99, flooded against idle': atMost(2, 1.5),
    ...alike,
    ...rendering,
  },
};

/** A figure with the bounds it has in this shape. */
export function figure(shape: Shape, name: string, value: number, unit: string): Figure {
  return { name, value, unit, bound: bounds[shape][name] ?? null };
}

export type Verdict = 'aim reached' | 'floor reached' | 'BELOW FLOOR' | '';

export function verdict({ value, bound }: Figure): Verdict {
  if (!bound) return '';
  const reaches = (wanted: number): boolean => (bound.atLeast ? value >= wanted : value <= wanted);
  if (reaches(bound.aim)) return 'aim reached';
  return reaches(bound.floor) ? 'floor reached' : 'BELOW FLOOR';
}

/** The figures as lines of a table. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((one) => [one.name, shown(one.value), one.unit, one.bound ? String(one.bound.floor) : '', one.bound ? String(one.bound.aim) : '', verdict(one)]);
  const lines = [['', 'value', '', 'floor', 'aim', ''], ...rows];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const isNumber = (column: number): boolean => [1, 3, 4].includes(column);
  const pad = (text: string, column: number): string => (isNumber(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0));
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

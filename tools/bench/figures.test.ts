import { describe, expect, test } from '@jest/globals';
import { figure, table, verdict } from './figures.ts';

describe('a figure', () => {
  test('is judged by its floor and its aim, in the direction that is better', () => {
    const most = (value: number) => verdict(figure('standalone', 'first model request p50', value, 'ms'));
    const least = (value: number) => verdict(figure('cluster', 'runs, 0 tools, 64 in flight', value, 'runs/s'));
    expect([most(2), most(5), most(7), most(Number.NaN)]).toEqual(['aim reached', 'floor reached', 'BELOW FLOOR', 'BELOW FLOOR']);
    expect([least(451), least(201), least(199)]).toEqual(['aim reached', 'floor reached', 'BELOW FLOOR']);
    expect(verdict(figure('cluster', 'accept maximum', 1, 'runs/s'))).toBe('');
  });

  test('has a line in the table', () => {
    expect(table([figure('standalone', 'accept maximum', 1500, 'runs/s')]).split('\n')[1]).toBe('accept maximum   1500  runs/s   1200  3000  floor reached');
  });
});

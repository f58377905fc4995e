import { AppError, type UsageQuery } from '@nightshift/contracts';

/** A span of time: `from` belongs to it, `to` does not. */
export interface Period {
  readonly from: Date;
  readonly to: Date;
}

/** The period a query asks for; a bound it leaves out is that of the UTC month of `now`. Throws `invalid_request` if it ends before it begins. */
export function periodOf(query: Pick<UsageQuery, 'from' | 'to'>, now: Date): Period {
  const monthStart = (offset: number): Date => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1));
  const from = query.from === undefined ? monthStart(0) : new Date(query.from);
  const to = query.to === undefined ? monthStart(1) : new Date(query.to);
  if (from > to) throw new AppError('invalid_request', { message: `from: is after to (${to.toISOString()})`, details: { fields: { from: 'is after to' } } });
  return { from, to };
}

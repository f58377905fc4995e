import { AppError, type CreateOrg, type Org, SHARED_POOL, type UpdateOrg } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import type { Org as Row, PrismaClient } from './generated/client.ts';
import type { PooledOrg } from './pool.ts';

/** Organisations. */
export class OrgStore {
  readonly #prisma: PrismaClient;

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  async create({ name, pool, limits, egressAllow }: CreateOrg): Promise<Org> {
    return viewOf(await this.#prisma.org.create({ data: { id: newId('org'), name, pool, limits: { ...limits }, egressAllow } }));
  }

  async list(): Promise<Org[]> {
    return (await this.#prisma.org.findMany({ orderBy: { id: 'asc' } })).map(viewOf);
  }

  /** The organisations that have a pool of their own. */
  pooled(): Promise<PooledOrg[]> {
    return this.#prisma.org.findMany({ where: { pool: { not: SHARED_POOL } }, orderBy: { id: 'asc' }, select: { id: true, name: true, pool: true } });
  }

  async get(id: string): Promise<Org> {
    const row = await this.#prisma.org.findUnique({ where: { id } });
    if (!row) throw new AppError('not_found', { message: 'There is no such organisation.' });
    return viewOf(row);
  }

  async update(id: string, { name, pool, limits, egressAllow }: UpdateOrg): Promise<Org> {
    await this.get(id);
    const data = { ...(name !== undefined && { name }), ...(pool !== undefined && { pool }), ...(limits && { limits: { ...limits } }), ...(egressAllow && { egressAllow }) };
    return viewOf(await this.#prisma.org.update({ where: { id }, data }));
  }
}

function viewOf(row: Row): Org {
  return { id: row.id, name: row.name, pool: row.pool, limits: row.limits as Org['limits'], egressAllow: row.egressAllow as string[], createdAt: row.createdAt.toISOString() };
}

import { AppError, type InternalSaveTool, type InternalUpdateTool } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { UnsealError } from '@nightshift/std';
import { assertSize, changed, type SavedTool, SAVED_TOOLS_MAX } from './saved-tool.ts';
import { FIND, FIND_KEY, FORGET_KEYS, LIST, LOCK, REMOVE, SAVE, UPDATE } from './saved-tool.sql.ts';

type Reply = Omit<SavedTool, 'createdAt' | 'updatedAt'> & { readonly createdAt: string; readonly updatedAt: string };

/** The tools that organisations have saved. */
export class SavedToolStore {
  readonly #db: Database;
  readonly #sealPrivateKey: string;

  constructor(db: Database, sealPrivateKey: string) {
    this.#db = db;
    this.#sealPrivateKey = sealPrivateKey;
  }

  /** Saves a tool. With an idempotency key that is taken, answers what was saved under it, or `conflict` for another body; a name that is taken is `conflict` too. */
  async save({ idempotency, ...tool }: InternalSaveTool): Promise<{ saved: SavedTool; replayed: boolean }> {
    assertSize(tool.tool);
    const [saved] = await this.#write(tool.name, () => this.#db.query<SavedTool>(SAVE, [JSON.stringify({ ...tool, ...idempotency }), SAVED_TOOLS_MAX]), () => this.#db.query<SavedTool>(FIND, [tool.orgId, [tool.toolId]]));
    if (saved) return { saved, replayed: false };
    const [holder] = idempotency ? await this.#db.query<{ bodyHash: string; reply: Reply }>(FIND_KEY, [tool.orgId, idempotency.key]) : [];
    if (!holder) throw new AppError('invalid_request', { message: `An organisation may save ${SAVED_TOOLS_MAX} tools.` });
    if (holder.bodyHash !== idempotency?.bodyHash) throw new AppError('conflict');
    const { createdAt, updatedAt, ...reply } = holder.reply;
    return { saved: { ...reply, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) }, replayed: reply.id !== tool.toolId };
  }

  /** An organisation's tools by name. */
  list(orgId: string): Promise<SavedTool[]> {
    return this.#db.query(LIST, [orgId]);
  }

  /** One tool by its id or name. */
  async get(orgId: string, id: string): Promise<SavedTool> {
    const found = (await this.find(orgId, [id])).get(id);
    if (!found) throw unknownTool();
    return found;
  }

  /** Tools by the id or name that was asked for; an id goes before a name that is spelled like it. */
  async find(orgId: string, ids: readonly string[]): Promise<Map<string, SavedTool>> {
    const rows = await this.#db.query<SavedTool>(FIND, [orgId, ids]);
    const wanted = new Set(ids);
    const all = [...rows.map((row) => [row.name, row] as const), ...rows.map((row) => [row.id, row] as const)];
    return new Map(all.filter(([id]) => wanted.has(id)));
  }

  /** Changes one tool by its id or name; runs that were created before keep what they began with. */
  async update(id: string, update: InternalUpdateTool): Promise<SavedTool> {
    const [written] = await this.#write(update.changes.name ?? '', () =>
      this.#db.transaction(async (query) => {
        const [saved] = await query<SavedTool>(LOCK, [update.orgId, id]);
        if (!saved) throw unknownTool();
        const { name, description, tool, credentials } = changed(saved, update, this.#sealPrivateKey);
        return query<SavedTool>(UPDATE, [saved.id, name, description, JSON.stringify(tool), JSON.stringify(credentials)]);
      }),
    );
    if (!written) throw unknownTool();
    return written;
  }

  /** Deletes one tool by its id or name. */
  async remove(orgId: string, id: string): Promise<void> {
    const rows = await this.#db.query(REMOVE, [orgId, id]);
    if (rows.length === 0) throw unknownTool();
  }

  /** Deletes a batch of idempotency keys that are free again; returns how many. */
  async forgetKeys(limit: number): Promise<number> {
    return (await this.#db.query(FORGET_KEYS, [limit])).length;
  }

  /** Writes, with errors that callers understand. A name that is taken may be taken by this very request, which was sent again: `already` finds that. */
  async #write(name: string, write: () => Promise<SavedTool[]>, already: () => Promise<SavedTool[]> = () => Promise.resolve([])): Promise<SavedTool[]> {
    try {
      return await write();
    } catch (err) {
      if (err instanceof UnsealError) throw new AppError('invalid_request', { message: 'The tool’s stored credentials cannot be opened any more; give all of them again.', cause: err });
      if ((err as { code?: string }).code !== '23505') throw err;
      const rows = await already();
      if (rows.length > 0) return rows;
      throw new AppError('conflict', { message: `There is a tool "${name}" already.`, cause: err });
    }
  }
}

function unknownTool(): AppError {
  return new AppError('not_found', { message: 'There is no such saved tool.' });
}

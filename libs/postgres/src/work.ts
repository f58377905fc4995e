import { type Backlog, backlogStatement } from './backlog.ts';
import { type Claimed, claimStatement, handBackStatement, keepStatement, mayTake, ownerOf, type WorkTable } from './claim.ts';
import { type Database, isInfrastructure } from './database.ts';
import { Pace } from './pace.ts';
import type { Held } from './patiently.ts';
import type { WorkObserver } from './work-observer.ts';

/** What a worker works on, and how. */
export interface WorkerOptions<Row extends Claimed> {
  readonly db: Database;
  readonly table: WorkTable;
  readonly pool: string;
  /** Rows held at a time. */
  readonly slots: number;
  /** Of these, rows of one lane. */
  readonly laneMax: number;
  readonly leaseMs: number;
  /** Where rows are held for long, takes up what waits a few rows at a time (see `Pace`). */
  readonly evenly?: boolean;
  /** Does the effect and commits the outcome. */
  readonly run: (row: Row, held: Held) => Promise<void>;
  /** Tells other processes that rows are due which this one could not take. */
  readonly announce?: () => void;
  readonly observer: WorkObserver;
}

interface Holding {
  readonly epoch: number;
  readonly lane: string;
  readonly abort: AbortController;
  /** False when the work failed: nobody knows how far it got, so the claim counts as an attempt. */
  readonly done: Promise<boolean>;
}

const POLL_MS = 1000;
const CLAIM_PAUSE_MS = 2;
const BACKLOG_EVERY = 5;
const ARRIVAL_POLL_MS = 5;
const ARRIVAL_MAX_MS = 2000;

/**
 * Claims due rows of a table and runs each under a lease that it keeps alive.
 * `run` does the effect and commits the outcome itself, with the row's `epoch` as its fence; a row it does not commit
 * comes back when its lease is over. On the happy path rows arrive by `start` and `wake`; the poll is a safety net.
 */
export class Worker<Row extends Claimed> {
  readonly #held = new Map<string, Holding>();
  readonly #options: WorkerOptions<Row>;
  readonly #statements;
  readonly #pace: Pace;
  #reserved = 0;
  #cursor = '';
  #rowsWait = false;
  #claiming = false;
  #kept = true;
  #again = false;
  #soon: NodeJS.Timeout | undefined;
  #refusing = false;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;

  constructor(options: WorkerOptions<Row>) {
    this.#options = options;
    const { table } = options;
    this.#pace = new Pace(options.slots);
    this.#statements = { claim: claimStatement(table), keep: keepStatement(table), handBack: handBackStatement(table), backlog: backlogStatement(table) };
  }

  /** Begins to claim. */
  startLoop(): void {
    this.#timer = setInterval(() => this.#tick(), POLL_MS);
    this.wake();
  }

  /** Slots for rows that a statement is about to write as claimed. Give back what was not used. */
  reserve(wanted: number): number {
    if (this.#refusing || this.#timer === undefined) return 0;
    // Those that wait go first where slots are scarce; where they are not, they are claimed within milliseconds anyway.
    if (this.#rowsWait && (this.#pace.isSpreading || this.#free() < this.#options.slots / 2)) return 0;
    const granted = Math.max(0, Math.min(wanted, this.#free()));
    this.#reserved += granted;
    return granted;
  }

  #free(): number {
    return this.#options.slots - this.#held.size - this.#reserved;
  }

  /** Runs the rows that a statement wrote as claimed, and frees the rest of the reservation. */
  start(rows: readonly Row[], reserved: number): void {
    this.#reserved -= reserved;
    for (const row of rows) this.#hold(row);
  }

  /** Runs a statement that makes rows due, letting it claim as many as there are free slots; the rest is announced. */
  async begin<Written extends Row & { readonly claimed: boolean }>(wanted: number, write: (granted: number) => Promise<Written[]>): Promise<Written[]> {
    const granted = this.reserve(wanted);
    let rows: Written[] = [];
    try {
      rows = await write(granted);
    } finally {
      this.start(rows.filter((row) => row.claimed), granted);
    }
    if (rows.some((row) => !row.claimed)) {
      this.wake();
      this.#options.announce?.();
    }
    return rows;
  }

  /** Runs a statement that claims a row which has waited for its turn elsewhere: it needs no free slot. Nothing while the process drains. */
  async take(write: () => Promise<Row | undefined>): Promise<Row | undefined> {
    if (this.#refusing || this.#timer === undefined) return undefined;
    this.#reserved += 1;
    let row: Row | undefined;
    try {
      row = await write();
    } finally {
      this.start(row ? [row] : [], 1);
    }
    return row;
  }

  /** Says that due rows may be waiting. */
  wake(): void {
    this.#rowsWait = true;
    this.#claimSoon();
  }

  /** While rows are held a claim waits a moment, so that it is one statement for several. */
  #claimSoon(): void {
    const waitMs = Math.max(this.#held.size === 0 ? 0 : CLAIM_PAUSE_MS, this.#pace.waitMs(performance.now()));
    if (waitMs === 0) return void this.#claim();
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#claim();
    }, waitMs);
  }

  /** Aborts the row if this process holds it, because something outside has stopped it. */
  abort(id: string, reason: string): void {
    this.#held.get(id)?.abort.abort(new Error(reason));
  }

  #hold(row: Row): void {
    // Its lease ran out while this process still worked on it: the older work must not go on beside the newer.
    this.#held.get(row.id)?.abort.abort(new Error('lease lost'));
    const abort = new AbortController();
    const beganMs = performance.now();
    this.#options.observer.claimed(row.queueAgeMs, row.attempts);
    const done = this.#options
      .run(row, { signal: abort.signal })
      .then(
        () => true,
        (err: unknown) => {
          this.#options.observer.trouble(err);
          return false;
        },
      )
      .finally(() => {
        if (this.#held.get(row.id)?.epoch === row.epoch) this.#held.delete(row.id);
        if (this.#options.evenly) this.#pace.ended(performance.now() - beganMs);
        if (this.#rowsWait) this.#claimSoon();
      });
    this.#held.set(row.id, { epoch: row.epoch, lane: row.lane, abort, done });
  }

  async #claim(): Promise<void> {
    if (this.#claiming) {
      this.#again = true;
      return;
    }
    if (this.#pace.waitMs(performance.now()) > 0) return this.#claimSoon();
    this.#claiming = true;
    // True while a pass over the lanes goes on that began with the first of them and has taken all that it saw.
    let isWhole = this.#cursor === '';
    try {
      do {
        this.#again = false;
        const free = Math.min(this.#free(), this.#pace.most);
        if (free <= 0 || !this.#kept || this.#refusing || this.#timer === undefined) return;
        this.#reserved += free;
        const { rows, withheld } = await this.#claimRows(free).finally(() => (this.#reserved -= free));
        this.#pace.claimed(rows.length === free, performance.now());
        for (const row of rows) this.#hold(row);
        if (rows.length === free) isWhole = this.#cursor === '';
        if (rows.length === free || this.#cursor !== '') this.#again = true;
        else if (!isWhole) this.#again = isWhole = true;
        else if (!this.#again) this.#rowsWait = withheld;
      } while (this.#again && this.#pace.waitMs(performance.now()) === 0);
    } catch (err) {
      this.#again = false;
      this.#options.observer.trouble(err);
    } finally {
      this.#claiming = false;
    }
    if (this.#again) this.#claimSoon();
  }

  /** `withheld`: rows of owners that have had their share of the slots may be waiting for these to be free. */
  async #claimRows(free: number): Promise<{ rows: Row[]; withheld: boolean }> {
    const { pool, leaseMs, laneMax, db, table } = this.#options;
    const owners = table.ownersShare ? this.#owners() : undefined;
    const satisfied = [...(owners ?? [])].flatMap(([owner, held]) => (mayTake(held, free) ? [] : [owner]));
    const shares = owners ? [JSON.stringify(Object.fromEntries(owners)), satisfied] : [];
    const startedMs = performance.now();
    const rows = await db.query<Row & { cursor: string | null; withheld: boolean; id: string | null }>(this.#statements.claim, [pool, free, leaseMs, this.#cursor, laneMax, ...shares]);
    this.#options.observer.asked?.(performance.now() - startedMs);
    this.#cursor = rows[0]?.cursor ?? '';
    return { rows: rows.filter((row) => row.id !== null), withheld: satisfied.length > 0 || rows[0]?.withheld === true };
  }

  /** How many slots each owner of lanes holds. */
  #owners(): Map<string, number> {
    const owners = new Map<string, number>();
    for (const { lane } of this.#held.values()) owners.set(ownerOf(lane), (owners.get(ownerOf(lane)) ?? 0) + 1);
    return owners;
  }

  #tick(): void {
    void this.#keepThenClaim();
    this.#ticks += 1;
    if (this.#ticks % BACKLOG_EVERY === 0) void this.#measure();
  }

  /** Leases first: a process that was away for longer than a lease must not claim what it still holds. */
  async #keepThenClaim(): Promise<void> {
    this.#kept = this.#held.size === 0 || (await this.#keep());
    if (!this.#kept || this.#refusing) return;
    this.wake();
  }

  /** False when the database could not be asked. */
  async #keep(): Promise<boolean> {
    const held = [...this.#held];
    try {
      const kept = await this.#options.db.query<{ id: string }>(this.#statements.keep, [held.map(([id]) => id), held.map(([, holding]) => holding.epoch), this.#options.leaseMs]);
      const ids = new Set(kept.map((row) => row.id));
      for (const [id, holding] of held) {
        if (ids.has(id) || this.#held.get(id) !== holding) continue;
        this.#options.observer.leaseLost(id);
        holding.abort.abort(new Error('lease lost'));
      }
      return true;
    } catch (err) {
      if (!isInfrastructure(err)) this.#options.observer.trouble(err);
      return false;
    }
  }

  async #measure(): Promise<void> {
    try {
      const { db, table, pool, laneMax, observer } = this.#options;
      const [backlog] = await db.query<Backlog>(this.#statements.backlog, [pool, ...(table.laneLimit === undefined ? [] : [laneMax])]);
      if (backlog) observer.backlog(backlog);
    } catch (err) {
      if (!isInfrastructure(err)) this.#options.observer.trouble(err);
    }
  }

  /** Claims no more. What is held goes on. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Waits until nothing is held; on `hurry` aborts what runs and hands back what did not commit and did not fail. */
  async drain(hurry: AbortSignal): Promise<void> {
    this.refuse();
    const hurried = new Promise<'hurry'>((resolve) => (hurry.aborted ? resolve('hurry') : hurry.addEventListener('abort', () => resolve('hurry'), { once: true })));
    if ((await Promise.race([this.#idle(), hurried])) === 'hurry') {
      await this.#arrived();
      const left = [...this.#held];
      for (const [, holding] of left) holding.abort.abort(new Error('draining'));
      const ended = await Promise.all(left.map(([, holding]) => holding.done));
      await this.#handBack(left.filter((_, index) => ended[index]).map(([id, { epoch }]) => ({ id, epoch })));
    }
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#timer = undefined;
  }

  async #idle(): Promise<void> {
    while (this.#held.size + this.#reserved > 0) {
      await this.#arrived();
      await Promise.all([...this.#held.values()].map((holding) => holding.done));
    }
  }

  /** Waits, for a bounded time, for statements under way whose rows this process will hold. */
  async #arrived(): Promise<void> {
    const until = Date.now() + ARRIVAL_MAX_MS;
    while (this.#reserved > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, ARRIVAL_POLL_MS));
  }

  /** Gives rows back without counting the attempt; a row that was committed meanwhile is left alone. */
  async #handBack(rows: readonly { id: string; epoch: number }[]): Promise<void> {
    if (rows.length === 0) return;
    await this.#options.db.query(this.#statements.handBack, [rows.map((row) => row.id), rows.map((row) => row.epoch)]);
  }
}

import { types } from 'node:util';
import pg from 'pg';

/** One SQL statement with the name it is prepared under: unique in the process, `schema.verb_noun`. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Planned once for all values: see `hotStatement`. */
  readonly isHot?: true;
}

/** Names a statement, so that each connection prepares it once. */
export function statement(name: string, text: string): Statement {
  return { name, text };
}

/**
 * The same for a statement of the happy path of each run, which finds its rows by their keys whatever the values are: it is planned
 * once on each connection, for all values (docs/decisions/0038).
 */
export function hotStatement(name: string, text: string): Statement {
  return { name, text, isHot: true };
}

/** Where the database is, and what its connections are called. */
export interface ConnectOptions {
  readonly url: string;
  readonly max: number;
  readonly name: string;
  readonly onError: (err: Error) => void;
}

/** A pool of connections to one PostgreSQL database. */
export interface Database {
  /** Runs one statement and returns its rows; a parameter that is an object or array of objects must already be JSON text. */
  query<Row>(statement: Statement, params?: unknown[]): Promise<Row[]>;
  /** Runs statements in one transaction on one connection; rolled back when `work` throws. */
  transaction<T>(work: (query: Database['query']) => Promise<T>): Promise<T>;
  /** For Prisma's adapter, which brings its own statements. */
  readonly pool: pg.Pool;
  /** All connections: those of `pool`, and those of hot statements. */
  readonly pools: readonly pg.Pool[];
  close(): Promise<void>;
}

const IDLE_IN_TRANSACTION_MS = 5000;
const CONNECT_TIMEOUT_MS = 5000;
// A server whose host is gone answers nothing, and refuses nothing either.
const QUERY_TIMEOUT_MS = 30_000;
const INT8_OID = 20;
// Left to itself the server plans a statement anew for each call when its tables have grown since the connection was made.
const HOT_OPTIONS = '-c plan_cache_mode=force_generic_plan';
/** What part of the connections is for other statements. */
const OTHERS_SHARE = 1 / 2;

/** Connects lazily: the first query opens the first connection. `max` bounds the connections; hot statements have half of them to themselves. int8 is read as a number. */
export function connect({ max, ...options }: ConnectOptions): Database {
  const others = Math.max(1, Math.floor(max * OTHERS_SHARE));
  const pool = poolOf(options, { max: others });
  const hot = others < max ? poolOf(options, { max: max - others, options: HOT_OPTIONS }) : pool;
  const pools = [...new Set([pool, hot])];
  const transaction: Database['transaction'] = async (work) => {
    const client = await pool.connect();
    let failure: Error | undefined;
    // A connection that ends between two statements has nobody else to tell, and an error that nobody hears ends the process.
    const onLost = (err: Error): void => {
      failure = err;
      options.onError(err);
    };
    client.on('error', onLost);
    try {
      await client.query('begin');
      const result = await work((stmt, params) => rowsOf(client, stmt, params));
      await client.query('commit');
      return result;
    } catch (err) {
      failure ??= err instanceof Error ? err : new Error(String(err));
      await client.query('rollback').catch((rollback: Error) => options.onError(rollback));
      throw err;
    } finally {
      client.removeListener('error', onLost);
      client.release(failure !== undefined && isInfrastructure(failure) ? failure : undefined);
    }
  };
  return {
    query: (stmt, params) => rowsOf(stmt.isHot ? hot : pool, stmt, params),
    transaction,
    pool,
    pools,
    close: async () => void (await Promise.all(pools.map((one) => one.end()))),
  };
}

function poolOf({ url, name, onError }: Omit<ConnectOptions, 'max'>, more: Pick<pg.PoolConfig, 'max' | 'options'>): pg.Pool {
  const typeParsers = { getTypeParser: ((oid: number, format?: 'text') => (oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format))) as typeof pg.types.getTypeParser };
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 60_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    query_timeout: QUERY_TIMEOUT_MS,
    types: typeParsers,
    ...more,
  });
  return pool.on('error', onError);
}

async function rowsOf<Row>(connection: pg.Pool | pg.PoolClient, { name, text }: Statement, values: unknown[] = []): Promise<Row[]> {
  return (await connection.query({ name, text, values })).rows as Row[];
}

const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  // Prisma: cannot be reached, timed out, closed, no connection free, too many connections.
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2037',
  // Read-only after a failover, ended while idle in a transaction, no such database (yet), a lock that is taken.
  '25006',
  '25P03',
  '3D000',
  '55P03',
  // Another service that cannot answer now.
  'service_unavailable',
]);
const UNAVAILABLE_CLASSES = new Set(['08', '28', '40', '53', '57', '58']);
const LOST_CONNECTION = /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error|connection ended|server closed the connection|cannot use a pool after|query read timeout|can't reach database server/i;

/**
 * True when what a statement or call needs is the trouble, not the statement itself: connection, resources, shutdown or a
 * serialisation failure (SQLSTATE classes 08, 28, 40, 53, 57, 58), or another service that is unavailable.
 */
export function isInfrastructure(err: unknown): boolean {
  if (!types.isNativeError(err)) return false;
  if (isUnavailable((err as { code?: unknown }).code)) return true;
  if ('errors' in err && Array.isArray(err.errors)) return err.errors.some(isInfrastructure);
  const adapter = (err as { meta?: { driverAdapterError?: { cause?: { originalCode?: unknown } } } }).meta?.driverAdapterError;
  return LOST_CONNECTION.test(err.message) || isUnavailable(adapter?.cause?.originalCode) || isInfrastructure(err.cause);
}

function isUnavailable(code: unknown): boolean {
  return typeof code === 'string' && (UNAVAILABLE.has(code) || (/^[0-9A-Z]{5}$/.test(code) && UNAVAILABLE_CLASSES.has(code.slice(0, 2))));
}

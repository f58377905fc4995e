import { lookup as systemLookup } from 'node:dns/promises';
import { type CheckedAddress, checkAddress, literalAddresses } from './egress-address.ts';
import { EgressError } from './egress-error.ts';

/** Resolves a host name to its addresses; rejects if it has none. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

export interface ResolverOptions {
  readonly lookup?: Lookup | undefined;
  /** How long the addresses of a name are kept; rebinding a name meanwhile changes nothing, since they were checked. */
  readonly ttlMs: number;
  /** For how long after that they are used while the name is asked for anew, so that nobody in use waits for a slow name server. */
  readonly staleMs: number;
  readonly namesMax: number;
}

interface Entry {
  addresses: CheckedAddress[];
  readonly expiresAt: number;
}

export type Resolver = ReturnType<typeof createResolver>;

/** Simultaneous questions, together and of one owner. libuv asks half as many at once as it has threads, of which a process has 16. */
const LOOKUPS_MAX = 8;
const OWNER_LOOKUPS_MAX = 2;
/** Of one owner; who comes then hears at once that the name could not be resolved. */
const WAITING_MAX = 200;

/**
 * A cache of checked addresses by host name. Simultaneous questions of an owner for one name are asked once, and an owner whose
 * names take long to resolve keeps no other waiting.
 */
export function createResolver({ lookup = lookupAll, ttlMs, staleMs, namesMax }: ResolverOptions) {
  const entries = new Map<string, Entry>();
  const asked = new Map<string, Promise<CheckedAddress[]>>();
  const lookups = new Turns(LOOKUPS_MAX);
  const owners = new Map<string, Turns>();

  async function ask(hostname: string, owner: string, isInUse: boolean): Promise<CheckedAddress[]> {
    const turns = owners.get(owner) ?? new Turns(OWNER_LOOKUPS_MAX, WAITING_MAX);
    owners.set(owner, turns);
    try {
      return await turns.take(() => lookups.take(async () => fresh(hostname) ?? checked(hostname, await lookup(hostname))), isInUse);
    } catch (cause) {
      throw new EgressError('dns_error', `the host name ${hostname} could not be resolved`, { cause });
    } finally {
      if (turns.isIdle) owners.delete(owner);
    }
  }

  function checked(hostname: string, found: readonly string[]): CheckedAddress[] {
    if (found.length === 0) throw new Error('no addresses');
    return remember(hostname, found.map(checkAddress));
  }

  function fresh(hostname: string): CheckedAddress[] | undefined {
    const entry = entries.get(hostname);
    return entry !== undefined && entry.expiresAt > performance.now() ? entry.addresses : undefined;
  }

  function remember(hostname: string, addresses: CheckedAddress[]): CheckedAddress[] {
    entries.delete(hostname);
    entries.set(hostname, { addresses, expiresAt: performance.now() + ttlMs });
    for (const oldest of entries.keys()) {
      if (entries.size <= namesMax) break;
      entries.delete(oldest);
    }
    return addresses;
  }

  function askOnce(hostname: string, owner: string, isInUse: boolean): Promise<CheckedAddress[]> {
    const question = `${owner} ${hostname}`;
    let pending = asked.get(question);
    if (pending === undefined) {
      pending = ask(hostname, owner, isInUse).finally(() => asked.delete(question));
      asked.set(question, pending);
    }
    return pending;
  }

  return {
    /** The addresses of a host, public or not, best first; at once if they are known. `owner`: on whose behalf. Rejects with EgressError `dns_error`. */
    resolve(hostname: string, owner: string): CheckedAddress[] | Promise<CheckedAddress[]> {
      const known = fresh(hostname);
      if (known !== undefined) return known;
      const literal = literalAddresses(hostname);
      if (literal !== null) return remember(hostname, literal);
      const stale = entries.get(hostname);
      const isInUse = stale !== undefined && stale.expiresAt + staleMs > performance.now();
      const pending = askOnce(hostname, owner, isInUse);
      if (!isInUse) return pending;
      // Who asks when they are not known any more hears of the failure.
      pending.catch(() => undefined);
      return stale.addresses;
    },

    /** Puts an address that could not be connected to behind the host's others, until they are resolved again. */
    demote(hostname: string, address: CheckedAddress): void {
      const entry = entries.get(hostname);
      if (entry?.addresses.includes(address)) entry.addresses = [...entry.addresses.filter((other) => other !== address), address];
    },
  };
}

/** Lets so many tasks run at a time, the others in the order in which they came, those first that are `urgent`. */
class Turns {
  readonly #max: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number, waitingMax: number = Number.POSITIVE_INFINITY) {
    this.#max = max;
    this.#waitingMax = waitingMax;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  async take<T>(task: () => Promise<T>, urgent: boolean = false): Promise<T> {
    if (this.#running < this.#max) this.#running += 1;
    else if (this.#waiting.length >= this.#waitingMax && !urgent) throw new Error('too many names are being resolved');
    else await new Promise<void>((resolve) => void (urgent ? this.#waiting.unshift(resolve) : this.#waiting.push(resolve)));
    try {
      return await task();
    } finally {
      // Whoever is next has the place of who leaves.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

// The system's resolver rather than a DNS client, because operators pin names in the hosts file and search domains.
async function lookupAll(hostname: string): Promise<string[]> {
  const found = await systemLookup(hostname, { all: true, order: 'ipv4first' });
  return found.map(({ address }) => address);
}

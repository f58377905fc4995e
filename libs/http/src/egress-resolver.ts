import { lookup as systemLookup } from 'node:dns/promises';
import { type CheckedAddress, checkAddress, literalAddresses } from './egress-address.ts';
import { EgressError } from './egress-error.ts';

/** Resolves a host name to its addresses; rejects if it has none. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

export interface ResolverOptions {
  readonly lookup?: Lookup | undefined;
  /** How long the addresses of a name are kept; rebinding a name meanwhile changes nothing, since they were checked. */
  readonly ttlMs: number;
  readonly namesMax: number;
}

interface Entry {
  addresses: CheckedAddress[];
  readonly expiresAt: number;
}

export type Resolver = ReturnType<typeof createResolver>;

/** A cache of checked addresses by host name. Simultaneous questions for one name are asked once. */
export function createResolver({ lookup = lookupAll, ttlMs, namesMax }: ResolverOptions) {
  const entries = new Map<string, Entry>();
  const asked = new Map<string, Promise<CheckedAddress[]>>();

  async function ask(hostname: string): Promise<CheckedAddress[]> {
    try {
      const found = await lookup(hostname);
      const addresses = found.map(checkAddress);
      if (addresses.length === 0) throw new Error('no addresses');
      remember(hostname, addresses);
      return addresses;
    } catch (cause) {
      throw new EgressError('dns_error', `the host name ${hostname} could not be resolved`, { cause });
    } finally {
      asked.delete(hostname);
    }
  }

  function remember(hostname: string, addresses: CheckedAddress[]): void {
    entries.delete(hostname);
    entries.set(hostname, { addresses, expiresAt: performance.now() + ttlMs });
    for (const oldest of entries.keys()) {
      if (entries.size <= namesMax) break;
      entries.delete(oldest);
    }
  }

  return {
    /** The addresses of a host, public or not, best first; at once if they are known. Rejects with EgressError `dns_error`. */
    resolve(hostname: string): CheckedAddress[] | Promise<CheckedAddress[]> {
      const entry = entries.get(hostname);
      if (entry !== undefined && entry.expiresAt > performance.now()) return entry.addresses;
      const literal = literalAddresses(hostname);
      if (literal !== null) {
        remember(hostname, literal);
        return literal;
      }
      let pending = asked.get(hostname);
      if (pending === undefined) {
        pending = ask(hostname);
        asked.set(hostname, pending);
      }
      return pending;
    },

    /** Puts an address that could not be connected to behind the host's others, until they are resolved again. */
    demote(hostname: string, address: CheckedAddress): void {
      const entry = entries.get(hostname);
      if (entry?.addresses.includes(address)) entry.addresses = [...entry.addresses.filter((other) => other !== address), address];
    },
  };
}

// The system's resolver rather than a DNS client, because operators pin names in the hosts file and search domains.
async function lookupAll(hostname: string): Promise<string[]> {
  const found = await systemLookup(hostname, { all: true, order: 'ipv4first' });
  return found.map(({ address }) => address);
}

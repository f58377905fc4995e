import ipaddr from 'ipaddr.js';
import { EgressError } from './egress-error.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Ranges of addresses, parsed once. */
export type AddressRanges = readonly [Address, number][];

/** An address with the name of the special range it lies in; null means that it is public. */
export interface CheckedAddress {
  readonly text: string;
  readonly ip: Address;
  readonly special: string | null;
}

// Azure's host agent answers on an address that no registry marks as special.
const platformAddresses = new Set(['168.63.129.16']);
const globalUnicast = ipaddr.IPv6.parse('2000::');
const nat64 = ipaddr.IPv6.parse('64:ff9b::');

/** Parses CIDRs and single addresses (`10.0.0.0/8`, `::1`); throws a RangeError that names the first one that is neither. */
export function parseRanges(cidrs: readonly string[]): AddressRanges {
  return cidrs.map((cidr) => {
    const text = cidr.trim();
    try {
      const [ip, bits] = text.includes('/') ? ipaddr.parseCIDR(text) : wholeAddress(text);
      const mapped = ip instanceof ipaddr.IPv6 && ip.isIPv4MappedAddress() && bits >= 96;
      return mapped ? [ip.toIPv4Address(), bits - 96] : [ip, bits];
    } catch (cause) {
      throw new RangeError(`not an address range: ${text}`, { cause });
    }
  });
}

/** Judges an address; one that carries an IPv4 address in a form that is translated on the way is judged by that. */
export function checkAddress(text: string): CheckedAddress {
  const ip = ipaddr.process(text);
  return { text, ip, special: specialRange(ip) };
}

/** True if the address is public or lies in one of `ranges`. */
export function isPermitted(address: CheckedAddress, ranges: AddressRanges): boolean {
  return address.special === null || ranges.some(([base, bits]) => base.kind() === address.ip.kind() && address.ip.match(base, bits));
}

/**
 * The parsed URL if it is http or https and its host is a name or a permitted address. It asks no DNS: names are judged
 * again, by their addresses, when the request is made. Throws EgressError `invalid_url` or `address_blocked`.
 */
export function assertPublicUrl(text: string, allow: readonly string[] = []): URL {
  const url = parseHttpUrl(text);
  const addresses = literalAddresses(url.hostname);
  if (addresses !== null) {
    const ranges = parseRanges(allow);
    if (!addresses.some((address) => isPermitted(address, ranges))) throw blocked(url.hostname);
  }
  return url;
}

/** Parses an absolute http or https URL and drops the dot that may end its host. Throws EgressError `invalid_url`. */
export function parseHttpUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null) throw new EgressError('invalid_url', 'the address is not a valid URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new EgressError('invalid_url', 'only http and https addresses are supported');
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.replace(/\.+$/, '');
  if (url.hostname === '' || url.hostname.endsWith('.')) throw new EgressError('invalid_url', 'the address has no valid host');
  return url;
}

/** The addresses a URL's host stands for without DNS: those of a literal or of localhost; null for every other name. */
export function literalAddresses(hostname: string): CheckedAddress[] | null {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return [checkAddress('127.0.0.1'), checkAddress('::1')];
  const text = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(text) ? [checkAddress(text)] : null;
}

/** The refusal of a host; it does not say which address the name has, since that would map the operator's network. */
export function blocked(hostname: string): EgressError {
  return new EgressError('address_blocked', `${hostname} is not a public address`);
}

function wholeAddress(text: string): [Address, number] {
  const ip = ipaddr.parse(text);
  return [ip, ip instanceof ipaddr.IPv4 ? 32 : 128];
}

function specialRange(ip: Address): string | null {
  if (ip instanceof ipaddr.IPv4) {
    const range = ip.range();
    if (range !== 'unicast') return range;
    return platformAddresses.has(ip.toString()) ? 'platform' : null;
  }
  if (ip.match(nat64, 96)) {
    const embedded = specialRange(new ipaddr.IPv4(ip.toByteArray().slice(12)));
    return embedded === null ? null : `nat64 ${embedded}`;
  }
  const range = ip.range();
  if (range !== 'unicast') return range;
  if (!ip.match(globalUnicast, 3)) return 'unassigned';
  return isIsatap(ip) ? 'isatap' : null;
}

/** An interface id that a router of the site unwraps to the IPv4 address in it (RFC 5214, section 6.1). */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return (parts[4] === 0 || parts[4] === 0x200) && parts[5] === 0x5efe;
}

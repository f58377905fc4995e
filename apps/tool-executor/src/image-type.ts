/** How files of each type begin, in base64: whole groups of three bytes, and what the next ones may be. */
const BEGINNINGS: readonly [type: string, beginning: RegExp][] = [
  ['image/png', /^iVBORw0KGgo/],
  ['image/jpeg', /^\/9j\//],
  ['image/gif', /^R0lGOD[dl]h/],
  ['image/webp', /^UklGR.{6}XRUJQ/],
];
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The type of an image that models take, told by its bytes in base64, whatever it claims to be; undefined for anything else. */
export function imageType(base64: string): string | undefined {
  if (base64.length % 4 !== 0 || !BASE64.test(base64)) return undefined;
  return BEGINNINGS.find(([, beginning]) => beginning.test(base64))?.[0];
}

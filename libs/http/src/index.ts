export { createEgress, type Egress, type EgressOptions, type EgressRequest, type EgressResponse } from './egress.ts';
export { assertPublicUrl, parseRanges } from './egress-address.ts';
export { EgressError, type EgressErrorCode } from './egress-error.ts';
export { type SanitizedHeaders, sanitizeHeaders } from './egress-headers.ts';
export type { Lookup } from './egress-resolver.ts';

export { assertNever } from './assert-never.ts';
export { type Backoff, backoffMs, jitterMs } from './backoff.ts';
export { cleanJson, cleanText } from './clean-text.ts';
export { type IdPrefix, newId, randomHex, timeOrderedHex } from './id.ts';
export { mapLimited } from './map-limited.ts';
export { must } from './must.ts';
export { retryAfterMs } from './retry-after.ts';
export { generateSealKeyPair, isSealed, seal, type SealKeyPair, sealPublicKeyOf, unseal, UnsealError } from './seal.ts';
export { type ParametersSchema, visibleParameters } from './visible-parameters.ts';

import type { RateLimits } from '@nightshift/contracts';
import { InvalidArgumentError } from 'commander';

/** A limit as an option: a whole number over zero, or that there is none. */
export type Limit = number | 'none';

export function limitOption(text: string): Limit {
  return text === 'none' ? text : countOption(text);
}

/** A whole number over zero as an option. */
export function countOption(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It must be a whole number over zero.');
  return Number(text);
}

/** Limits for people: `600 rpm, 10000 tpm`, or `-`. */
export function limitsText({ rpm, tpm }: RateLimits): string {
  return [rpm === undefined ? [] : `${rpm} rpm`, tpm === undefined ? [] : `${tpm} tpm`].flat().join(', ') || '-';
}

import { z } from 'zod';

/** The environment of billing: nothing of its own, since usage is never deleted. */
export const BillingEnvironment = z.object({});
export type BillingEnvironment = Readonly<Record<string, unknown>>;

import { z } from 'zod';

/** A comma-separated list. */
export const List = z.string().transform((text) => text.split(',').map((entry) => entry.trim()).filter((entry) => entry !== ''));

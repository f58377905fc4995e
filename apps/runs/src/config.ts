import { z } from 'zod';

/** The environment of runs. */
export const RunsEnvironment = z.object({
  RUN_RETENTION_DAYS: z.coerce.number().positive().default(30),
});
export type RunsEnvironment = z.infer<typeof RunsEnvironment>;

import { z } from 'zod';

/** The error envelope of every route: `error` is always an object, and its `code` is stable. */
export const ErrorBody = z
  .object({
    error: z.object({
      code: z.string().describe('Stable, snake_case.'),
      message: z.string().describe('For people; may change.'),
      type: z.string(),
      param: z.string().nullable(),
      details: z.record(z.string(), z.unknown()).optional().describe('Field errors under `fields`.'),
    }),
    requestId: z.string().describe('Also in the header `x-request-id`.'),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;

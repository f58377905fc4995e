import { z } from 'zod';

/** A message that a consumer could not handle. */
export const DeadLetter = z
  .object({
    id: z.string(),
    service: z.string(),
    topic: z.string(),
    key: z.string(),
    payload: z.string().describe('The message as text, at most 4 KiB of it.'),
    headers: z.record(z.string(), z.string()),
    error: z.string(),
    attempts: z.number().int(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetter = z.infer<typeof DeadLetter>;

/** Query of GET /admin/v1/dead-letters. */
export const ListDeadLetters = z.object({ service: z.string().optional(), topic: z.string().optional(), cursor: z.string().max(512).optional() });
export type ListDeadLetters = z.infer<typeof ListDeadLetters>;

export const DeadLetterList = z.object({ deadLetters: z.array(DeadLetter), nextCursor: z.string().nullable() }).meta({ id: 'DeadLetterList' });
export type DeadLetterList = z.infer<typeof DeadLetterList>;

/** Body of POST /admin/v1/dead-letters/redrive and …/drop. An empty filter means all of them. */
export const DeadLetterCommand = z
  .object({
    filter: z.object({ service: z.string().optional(), topic: z.string().optional(), ids: z.array(z.string()).max(1000).optional() }),
    dryRun: z.boolean().default(false).describe('Only count.'),
  })
  .meta({ id: 'DeadLetterCommand' });
export type DeadLetterCommand = z.infer<typeof DeadLetterCommand>;

/** How many dead letters matched, and how many could not be handled again. */
export const DeadLetterCount = z.object({ count: z.number().int(), failed: z.number().int() }).meta({ id: 'DeadLetterCount' });
export type DeadLetterCount = z.infer<typeof DeadLetterCount>;

/** Body of POST /internal/dead-letters/redrive: with `after` it goes on behind that dead letter. */
export const InternalRedrive = DeadLetterCommand.extend({ after: z.string().optional() });
export type InternalRedrive = z.infer<typeof InternalRedrive>;

/**
 * What a process has redriven, and how many matching dead letters are for processes of other pools to redrive, by pool. With
 * `next` there may be more: it is the `after` of the request that goes on.
 */
export const InternalRedriven = DeadLetterCount.extend({ elsewhere: z.record(z.string(), z.number().int()).optional(), next: z.string().optional() });
export type InternalRedriven = z.infer<typeof InternalRedriven>;

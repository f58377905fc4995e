import { z } from 'zod';

/** Where the bytes of a block are. */
const Source = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('base64'), data: z.string(), mime: z.string() }),
  z.object({ kind: z.literal('url'), url: z.string(), mime: z.string().optional() }),
  z.object({
    kind: z.literal('blob_ref'),
    blob_key: z.string(),
    mime: z.string(),
    size_bytes: z.number().optional(),
    attachment_id: z.string().optional(),
    presigned_url: z.string().optional(),
    presigned_expires_at: z.string().optional(),
  }),
]);

/** One piece of what a tool answers: text, an image, audio or a file. */
export const ToolBlock = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('text'), text: z.string() }),
    z.object({ type: z.literal('image'), source: Source }),
    z.object({ type: z.literal('audio'), source: Source }),
    z.object({ type: z.literal('file'), source: Source, filename: z.string().optional(), mime: z.string().optional() }),
  ])
  .meta({ id: 'ToolBlock' });
export type ToolBlock = z.infer<typeof ToolBlock>;

/** The canonical reply of a function tool. Any other JSON is a result too, and so is an object that has more than this. */
export const ToolResponse = z.strictObject({ tool_call_id: z.string().nullish(), content: z.array(ToolBlock), is_error: z.boolean().default(false) }).meta({ id: 'ToolResponse' });
export type ToolResponse = z.infer<typeof ToolResponse>;

import { z } from 'zod';

/** Base64 characters of one image: 3 MiB of bytes. The body of a request has 5 MiB at most. */
export const IMAGE_BASE64_CHARS_MAX = 4 * 1024 * 1024;
const IMAGES_MAX = 20;
const BLOCKS_MAX = 64;

const ImageType = z.enum(['image/png', 'image/jpeg', 'image/gif', 'image/webp'], { error: 'must be image/png, image/jpeg, image/gif or image/webp' });
const Base64 = z
  .string()
  .max(IMAGE_BASE64_CHARS_MAX, { error: `an image may have ${IMAGE_BASE64_CHARS_MAX} base64 characters` })
  .regex(/^(?=.)[A-Za-z0-9+/]*={0,2}$/, { error: 'must be base64' })
  .refine((data) => data.length % 4 === 0, { error: 'must be base64' });
const ImageUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2048);

const Source = z.discriminatedUnion('kind', [z.object({ kind: z.literal('base64'), data: Base64, mime: ImageType }), z.object({ kind: z.literal('url'), url: ImageUrl, mime: ImageType.optional() })], {
  error: 'must be of the kind "base64" or "url"; this server keeps no attachments, so it has no "blob_ref"',
});

/** A part of what the agent is given besides its instructions. */
export const ContentBlock = z
  .discriminatedUnion('type', [z.object({ type: z.literal('text'), text: z.string() }), z.object({ type: z.literal('image'), source: Source })], {
    error: 'must be a text or image block; this server takes no audio and no files',
  })
  .meta({ id: 'ContentBlock' });
export type ContentBlock = z.infer<typeof ContentBlock>;

const DATA_URI = /^data:([^;,]*);base64,/;

/** An image as its address, or as a `data:` URI with the same bounds. */
const Image = z.string().superRefine((image, ctx) => {
  const [prefix, mime] = DATA_URI.exec(image) ?? [];
  const checked = prefix === undefined ? ImageUrl.safeParse(image) : z.object({ mime: ImageType, data: Base64 }).safeParse({ mime, data: image.slice(prefix.length) });
  for (const { message } of checked.error?.issues ?? []) ctx.addIssue({ code: 'custom', message: prefix === undefined ? `${message}, or a data: URI in base64` : message });
});

/** `input.content` and `input.images` of a run. */
export const InputContent = z.array(ContentBlock).max(BLOCKS_MAX);
export const InputImages = z.array(Image).max(IMAGES_MAX);

/** The same as the engine gets it: an image is an http(s) address or a `data:` URI. */
export const RunContent = z.discriminatedUnion('type', [z.object({ type: z.literal('text'), text: z.string() }), z.object({ type: z.literal('image'), url: z.string() })]);
export type RunContent = z.infer<typeof RunContent>;

/** Blocks and images of a request, in one list. */
export function runContentOf(blocks: readonly ContentBlock[], images: readonly string[]): RunContent[] {
  const content = blocks.map((block): RunContent => {
    if (block.type === 'text') return block;
    const { source } = block;
    return { type: 'image', url: source.kind === 'url' ? source.url : `data:${source.mime};base64,${source.data}` };
  });
  return [...content, ...images.map((url): RunContent => ({ type: 'image', url }))];
}

import { TOOL_IMAGE_BYTES_MAX, TOOL_RESULT_BYTES_MAX, type ToolBlock, ToolResponse, type ToolResult } from '@nightshift/contracts';
import { cutText } from './cut-text.ts';
import { imageType } from './image-type.ts';

const BLOCKS_MAX = 1000;
/** Room for the marker that stands for the last blocks. */
const MARKER_BYTES = 128;

/**
 * The result that a canonical reply stands for; undefined for any other JSON. Images are told by their bytes and may take
 * 3 MiB of base64, the rest 256 KiB; what is beyond, and what is no image, is cut or left out with a marker.
 */
export function responseResult(parsed: unknown): ToolResult | undefined {
  const response = mayBeResponse(parsed) ? ToolResponse.safeParse(parsed) : undefined;
  if (!response?.success) return undefined;
  const { content, is_error: isError } = response.data;
  return { isError, content: { ...response.data, content: withinText(withinImages(content)) }, format: 'tool_response', ...(isError && { errorCode: 'tool_error' }) };
}

/** Keeps a long list of something else from being checked item by item. */
function mayBeResponse(parsed: unknown): boolean {
  const content = typeof parsed === 'object' && parsed !== null && 'content' in parsed ? parsed.content : undefined;
  return Array.isArray(content) && content.length <= BLOCKS_MAX;
}

function withinImages(blocks: readonly ToolBlock[]): ToolBlock[] {
  let room = TOOL_IMAGE_BYTES_MAX;
  return blocks.map((block) => {
    if (block.type !== 'image' || block.source.kind !== 'base64') return block;
    const { data } = block.source;
    const mime = imageType(data);
    if (mime === undefined) return marker('an image was left out: it is no PNG, JPEG, GIF or WebP in base64');
    if (data.length > room) return marker(`an image of ${data.length} bytes was left out: the result is too large`);
    room -= data.length;
    return { type: 'image', source: { kind: 'base64', data, mime } };
  });
}

function withinText(blocks: readonly ToolBlock[]): ToolBlock[] {
  const kept: ToolBlock[] = [];
  let room = TOOL_RESULT_BYTES_MAX - MARKER_BYTES;
  for (const block of blocks) {
    const bytes = textBytes(block);
    if (bytes > room) {
      const end = block.type === 'text' && room > MARKER_BYTES * 2 ? { ...block, text: cutText(block.text, Buffer.byteLength(block.text), room - MARKER_BYTES) } : undefined;
      const left = blocks.length - kept.length - (end ? 1 : 0);
      return [...kept, ...(end ? [end] : []), ...(left > 0 ? [marker(`${left} more blocks were left out: the result is too large`)] : [])];
    }
    room -= bytes;
    kept.push(block);
  }
  return kept;
}

/** Bytes that a block takes of the room for text. */
function textBytes(block: ToolBlock): number {
  const counted = block.type === 'image' && block.source.kind === 'base64' ? { ...block, source: { ...block.source, data: '' } } : block;
  return Buffer.byteLength(JSON.stringify(counted)) + ','.length;
}

function marker(what: string): ToolBlock {
  return { type: 'text', text: `[${what}]` };
}

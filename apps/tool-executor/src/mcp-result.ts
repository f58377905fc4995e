import { TOOL_RESULT_BYTES_MAX, type ToolBlock, type ToolResult } from '@nightshift/contracts';
import { cleanJson } from '@nightshift/std';
import { z } from 'zod';
import { cutText } from './cut-text.ts';
import { responseResult } from './tool-response.ts';

/** What an MCP server answered a call. */
export interface McpReply {
  readonly content?: readonly unknown[] | undefined;
  readonly structuredContent?: unknown;
  readonly isError?: boolean | undefined;
}

const Block = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.enum(['image', 'audio']), data: z.string(), mimeType: z.string() }),
  z.object({ type: z.literal('resource'), resource: z.object({ uri: z.string(), mimeType: z.string().optional(), text: z.string().optional(), blob: z.string().optional() }) }),
  z.object({ type: z.literal('resource_link'), uri: z.string(), name: z.string().optional(), mimeType: z.string().optional() }),
]);

const BLOCKS_MAX = 999;
/** Sounds and files that are larger leave no room for what the model can read. */
const BYTES_MAX = 64 * 1024;

/**
 * What the model is told of a reply: its structured content, or else its content blocks as those of a canonical reply, cut
 * like one. Images stay beside structured content, which repeats what the texts say.
 */
export function replyResult({ content = [], structuredContent, isError = false }: McpReply): ToolResult {
  const blocks = content.slice(0, BLOCKS_MAX).map((block) => canonical(cleanJson(block)));
  if (content.length > BLOCKS_MAX) blocks.push(note(`${content.length - BLOCKS_MAX} more blocks were left out: the result is too large`));
  if (structuredContent === undefined) return told(blocks, isError);
  const structured = cleanJson(structuredContent);
  const images = blocks.filter(({ type }) => type === 'image');
  if (images.length > 0) return told([{ type: 'text', text: JSON.stringify(structured) }, ...images], isError);
  const text = JSON.stringify(structured);
  const bytes = Buffer.byteLength(text);
  const fitting = bytes <= TOOL_RESULT_BYTES_MAX ? structured : cutText(text, bytes, TOOL_RESULT_BYTES_MAX);
  return isError ? { isError, content: fitting, errorCode: 'tool_error' } : { isError, content: fitting };
}

function told(content: readonly ToolBlock[], isError: boolean): ToolResult {
  return responseResult({ content, is_error: isError }) ?? { isError, content };
}

function canonical(raw: unknown): ToolBlock {
  const { data: block } = Block.safeParse(raw);
  switch (block?.type) {
    case undefined:
      return { type: 'text', text: JSON.stringify(raw) };
    case 'text':
      return block;
    case 'image':
      return { type: 'image', source: { kind: 'base64', data: block.data, mime: block.mimeType } };
    case 'audio':
      return block.data.length > BYTES_MAX ? note(`audio of ${block.data.length} bytes was left out: the result is too large`) : { type: 'audio', source: { kind: 'base64', data: block.data, mime: block.mimeType } };
    case 'resource_link':
      return { type: 'file', source: { kind: 'url', url: block.uri, ...(block.mimeType !== undefined && { mime: block.mimeType }) }, ...(block.name !== undefined && { filename: block.name }) };
    case 'resource':
      return resourceBlock(block.resource);
  }
}

function resourceBlock({ uri, mimeType = 'application/octet-stream', text, blob = '' }: { uri: string; mimeType?: string | undefined; text?: string | undefined; blob?: string | undefined }): ToolBlock {
  if (text !== undefined) return { type: 'text', text: `[${uri}]\n${text}` };
  const source = { kind: 'base64' as const, data: blob, mime: mimeType };
  if (mimeType.startsWith('image/')) return { type: 'image', source };
  return blob.length > BYTES_MAX ? note(`${uri} of ${blob.length} bytes was left out: the result is too large`) : { type: 'file', source, filename: uri };
}

function note(what: string): ToolBlock {
  return { type: 'text', text: `[${what}]` };
}

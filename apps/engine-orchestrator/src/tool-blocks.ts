import { type ToolBlock, ToolResponse } from '@nightshift/contracts';
import type { JournalResult } from './session.ts';

type Image = Extract<ToolBlock, { type: 'image' }>;

const IMAGE = /^image\/(?:png|jpeg|gif|webp)$/;

/** The blocks of a result that is made of some. */
export function blocksOf(result: JournalResult | undefined): readonly ToolBlock[] | undefined {
  return result?.format === 'tool_response' ? ToolResponse.safeParse(result.content).data?.content : undefined;
}

/** The images among blocks that a model can be shown, as `data:` addresses. One that is only linked to is not: nobody knows where its address leads. */
export function imagesOf(blocks: readonly ToolBlock[]): string[] {
  return blocks.flatMap((block) => (block.type === 'image' ? (dataUrl(block) ?? []) : []));
}

/** Blocks as text. Of the images that can be shown the first `shown` are; of what is left out there is a note. */
export function textOfBlocks(blocks: readonly ToolBlock[], shown: number): string {
  let images = 0;
  const lines = blocks.map((block) => {
    if (block.type === 'text') return block.text;
    if (block.source.kind === 'url') return `[${block.type}: ${block.source.url}]`;
    const isShown = block.type === 'image' && dataUrl(block) !== undefined && (images += 1) <= shown;
    return isShown ? '[image: see the message after the results]' : `[${block.type}: left out]`;
  });
  return lines.join('\n');
}

/** A result as clients see it: images are told of, and not repeated in every reply. */
export function resultForClients(result: JournalResult): unknown {
  if (result.format === 'json') return JSON.parse(String(result.content));
  const blocks = blocksOf(result);
  if (!blocks) return result.content;
  const content = blocks.map((block) => (block.type === 'image' && block.source.kind === 'base64' ? { type: 'text', text: `[image: ${block.source.mime}, ${block.source.data.length} characters of base64]` } : block));
  return { ...(result.content as ToolResponse), content };
}

function dataUrl({ source }: Image): string | undefined {
  return source.kind === 'base64' && IMAGE.test(source.mime) ? `data:${source.mime};base64,${source.data}` : undefined;
}

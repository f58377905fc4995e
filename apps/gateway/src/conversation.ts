import type { ChatMessage, ChatPart, ContentBlock } from '@nightshift/contracts';
import { assertNever } from '@nightshift/std';

/** What a conversation asks an agent to do. */
export interface Task {
  readonly instructions: string;
  readonly content: readonly ContentBlock[];
}

type Turn = Exclude<ChatMessage, { role: 'system' | 'developer' }>;

const EARLIER = 'Earlier messages of this conversation, as one JSON object a line:';
const NOW = 'The message to act on:';

/**
 * A conversation as one task. The last message of the user is what is to be done. Before it comes what the system says,
 * wherever it stands, and then the earlier turns, as JSON, so that no text can pose as the turn of somebody else. What
 * follows the first image of the last message keeps its place among the images; those of earlier turns are numbered.
 */
export function taskOf(messages: readonly ChatMessage[]): Task {
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ content }) => textOf(content));
  const turns = messages.filter((message): message is Turn => message.role !== 'system' && message.role !== 'developer');
  const asked = turns.at(-1)?.content ?? [];
  const earlier = transcriptOf(turns.slice(0, -1));
  const preamble = [...system, ...(earlier.lines.length > 0 ? [[EARLIER, ...earlier.lines].join('\n'), NOW] : [])];
  const image = asked.findIndex((part) => !isText(part));
  const lead = image === -1 ? asked : asked.slice(0, image);
  const rest = asked.slice(lead.length);
  const said = [...preamble, textOf(lead)].filter(isSaid);
  // Instructions cannot be empty: without any others the first words come before the images.
  const first = said.length > 0 ? undefined : rest.filter(isText).find(({ text }) => isSaid(text));
  return { instructions: first?.text ?? said.join('\n\n'), content: [...earlier.images, ...rest.filter((part) => part !== first).map(blockOf)] };
}

/** Turns as JSON, one a line, and their images. */
function transcriptOf(turns: readonly Turn[]): { lines: string[]; images: ContentBlock[] } {
  const tools = new Map(turns.flatMap((turn) => (turn.role === 'assistant' ? (turn.tool_calls ?? []) : [])).map((call) => [call.id, call.function.name]));
  const images: ContentBlock[] = [];
  let count = 0;
  const numbered = (part: ChatPart): object => {
    if (part.type === 'text') return part;
    count += 1;
    images.push({ type: 'text', text: `Image ${count} of the earlier messages:` }, blockOf(part));
    return { type: 'image', image: count };
  };
  const lines = turns.map((turn) => {
    const content = turn.content.every(isText) ? textOf(turn.content) : turn.content.map(numbered);
    switch (turn.role) {
      case 'user':
        return JSON.stringify({ role: turn.role, content });
      case 'assistant':
        return JSON.stringify({ role: turn.role, content: answerOf(textOf(turn.content)), ...(turn.tool_calls?.length && { tool_calls: turn.tool_calls.map((call) => call.function) }) });
      case 'tool':
        return JSON.stringify({ role: turn.role, name: tools.get(turn.tool_call_id), content });
      default:
        return assertNever(turn);
    }
  });
  return { lines, images };
}

/** An engine's own reply is a document; what counts of it later is the answer. */
function answerOf(text: string): string {
  const document = parsed(text) as { reasoning?: unknown; answer?: unknown } | null | undefined;
  if (typeof document !== 'object' || document === null || !Object.hasOwn(document, 'answer') || !Object.keys(document).every((key) => key === 'reasoning' || key === 'answer')) return text;
  return typeof document.answer === 'string' ? document.answer : JSON.stringify(document.answer);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

const DATA_URI = /^data:([^;,]*);base64,/;

function blockOf(part: ChatPart): ContentBlock {
  if (part.type === 'text') return part;
  const { url } = part.image_url;
  const [prefix, mime] = DATA_URI.exec(url) ?? [];
  // Whether it is one of the types that there are, the schema of runs says.
  return { type: 'image', source: prefix === undefined ? { kind: 'url', url } : { kind: 'base64', data: url.slice(prefix.length), mime: mime as 'image/png' } };
}

function isText(part: ChatPart): part is Extract<ChatPart, { type: 'text' }> {
  return part.type === 'text';
}

function textOf(parts: readonly ChatPart[]): string {
  return parts.filter(isText).map(({ text }) => text).join('\n\n');
}

function isSaid(text: string): boolean {
  return text.trim() !== '';
}

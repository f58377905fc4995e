/** What a document is read as. */
export type DocumentKind = 'html' | 'pdf' | 'text';

/** A document to read, as it came. */
export interface Document {
  readonly kind: DocumentKind;
  readonly body: Uint8Array;
  /** What the content type says of the text's encoding. */
  readonly charset: string | undefined;
  /** Where it came from, for its relative links. */
  readonly url: string;
}

/** A document as text. */
export interface Readable {
  readonly title: string | null;
  /** Markdown where the document has a structure. */
  readonly text: string;
}

/** What a content type and the first bytes say a document is; undefined for what cannot be read as text. */
export function kindOf(contentType: string | undefined, body: Uint8Array): DocumentKind | undefined {
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  const start = Buffer.from(body.subarray(0, 1024)).toString('latin1');
  if (type === 'application/pdf' || start.startsWith('%PDF-')) return 'pdf';
  if (type === 'text/html' || type === 'application/xhtml+xml') return 'html';
  if (type === '') return /^\s*<(!doctype html|html)\b/i.test(start) ? 'html' : start.includes('\0') ? undefined : 'text';
  return /^text\/|^application\/(json|xml|javascript|yaml|x-yaml|x-ndjson|rtf)$|\+(json|xml)$/.test(type) ? 'text' : undefined;
}

/** The charset that a content type names. */
export function charsetOf(contentType: string | undefined): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1];
}

/** One part of a text from `start` on, at most `charsMax` UTF-16 units and never half a character; `nextStart` where more follows. */
export function partOf(text: string, start: number, charsMax: number): { text: string; nextStart?: number } {
  const from = start > 0 && isLowSurrogate(text, start) ? start - 1 : start;
  if (text.length - from <= charsMax) return { text: text.slice(from) };
  const end = from + charsMax;
  const nextStart = isLowSurrogate(text, end) ? end - 1 : end;
  return { text: text.slice(from, nextStart), nextStart };
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}

import { TextDecoder } from 'node:util';
import type { Document, Readable } from './document.ts';

/** What is read of a document at most, in UTF-16 units; a model sees it in parts. */
const TEXT_CHARS_MAX = 2_000_000;
const META_BYTES = 2048;
/** Less is taken for a page whose article was not recognised. */
const ARTICLE_CHARS_MIN = 200;
const LINKS: readonly (readonly [string, string])[] = [
  ['a[href]', 'href'],
  ['img[src]', 'src'],
];

/** Runs in a thread of its own, which is ended when it takes too long: what it parses comes from anybody. */
export default async function read(document: Document): Promise<Readable> {
  const { title, text } = await READERS[document.kind](document);
  return { title, text: text.trim().slice(0, TEXT_CHARS_MAX).toWellFormed() };
}

const READERS: Readonly<Record<Document['kind'], (document: Document) => Promise<Readable>>> = {
  text: (document) => Promise.resolve({ title: null, text: decode(document) }),
  pdf: readPdf,
  html: readHtml,
};

async function readPdf({ body }: Document): Promise<Readable> {
  const { extractText, getDocumentProxy, getMeta } = await import('unpdf');
  const pdf = await getDocumentProxy(new Uint8Array(body), { verbosity: 0 });
  const { info } = (await getMeta(pdf)) as { info: { Title?: unknown } };
  const { text } = await extractText(pdf, { mergePages: false });
  return { title: typeof info.Title === 'string' && info.Title !== '' ? info.Title : null, text: text.join('\n\n') };
}

async function readHtml(document: Document): Promise<Readable> {
  const [{ parseHTML }, { Readability }, { default: Turndown }] = await Promise.all([import('linkedom'), import('@mozilla/readability'), import('turndown')]);
  const html = decode(document);
  const { document: page } = parseHTML(/<html[\s>]/i.test(html) ? html : `<!doctype html><html><head></head><body>${html}</body></html>`);
  const base = absolute(page.querySelector('base[href]')?.getAttribute('href') ?? '', document.url) ?? document.url;
  for (const [selector, attribute] of LINKS) {
    for (const element of page.querySelectorAll(selector)) {
      const address = absolute(element.getAttribute(attribute) ?? '', base);
      if (address) element.setAttribute(attribute, address);
      else element.removeAttribute(attribute);
    }
  }
  const markdown = new Turndown({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
  markdown.remove(['title', 'script', 'style', 'noscript', 'iframe', 'template', 'object', 'form', 'button'] as never[]);
  markdown.addRule('row', { filter: 'tr', replacement: (content, row) => `${content.trimEnd()} |\n${isHeading(row) ? `${'| --- '.repeat(row.children.length)}|\n` : ''}` });
  markdown.addRule('cell', { filter: ['th', 'td'], replacement: (content) => `| ${content.trim().replaceAll(/\s*\n\s*/g, ' ').replaceAll('|', '\\|')} ` });
  const title = page.querySelector('title')?.textContent.trim() || null;
  const whole = page.documentElement.cloneNode(true);
  const article = new Readability(page, { serializer: (node) => node }).parse();
  if (article?.content && (article.length ?? 0) >= ARTICLE_CHARS_MIN) return { title: article.title || title, text: markdown.turndown(article.content as never) };
  return { title, text: markdown.turndown(whole as never) };
}

/** True for the first row of a table whose cells are headings. */
function isHeading(row: { previousElementSibling: unknown; children: ArrayLike<{ nodeName: string }> }): boolean {
  return !row.previousElementSibling && row.children.length > 0 && Array.from(row.children).every((cell) => cell.nodeName === 'TH');
}

/** An http or https address; undefined for anything else, such as a script. */
function absolute(address: string, base: string): string | undefined {
  const url = URL.parse(address, base);
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

function decode({ body, charset }: Document): string {
  const start = Buffer.from(body.subarray(0, META_BYTES)).toString('latin1');
  const named = charset ?? /<meta[^>]{1,200}charset\s*=\s*["']?([\w-]+)/i.exec(start)?.[1] ?? 'utf-8';
  return decoderOf(named).decode(body);
}

function decoderOf(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch (err) {
    if (err instanceof RangeError) return new TextDecoder();
    throw err;
  }
}

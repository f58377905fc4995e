import type { ToolResult } from '@nightshift/contracts';
import { type Egress, EgressError } from '@nightshift/http';
import { cleanText } from '@nightshift/std';
import { charsetOf, kindOf, partOf } from './document.ts';
import { type Documents, UnreadableError } from './documents.client.ts';
import { failureResult } from './function-call.ts';

const TIMEOUT_MS = 30_000;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const PART_CHARS_MAX = 40_000;
const REDIRECTS_MAX = 5;

/** A page to read. */
export interface PageCall {
  readonly url: string;
  /** Where in its text to begin, in UTF-16 units. */
  readonly start?: number | undefined;
  readonly orgId: string;
  readonly signal: AbortSignal;
  /** CIDRs the organisation may reach besides the operator's own. */
  readonly allow: readonly string[];
}

/** Fetches a page, in turn with others, and gives one part of its text. Whatever goes wrong outside is a result for the model. */
export function readPage(egress: Egress, documents: Documents, call: PageCall): Promise<ToolResult> {
  return documents.inTurn(call.orgId, call.signal, () => fetchPage(egress, documents, call));
}

async function fetchPage(egress: Egress, documents: Documents, { url, start = 0, orgId, signal, allow }: PageCall): Promise<ToolResult> {
  try {
    const reply = await egress.request({
      method: 'GET',
      url,
      headers: { accept: 'text/html, application/pdf;q=0.9, text/*;q=0.8, */*;q=0.5', 'user-agent': 'Nightshift-Tools/1' },
      timeoutMs: TIMEOUT_MS,
      responseBytesMax: PAGE_BYTES_MAX,
      redirects: REDIRECTS_MAX,
      signal,
      allow,
      owner: orgId,
    });
    if (reply.status < 200 || reply.status >= 300) return { isError: true, errorCode: 'http_status', content: { error: 'http_status', status: reply.status, message: `The page answered with status ${reply.status}.` } };
    const type = [reply.headers['content-type']].flat()[0];
    const kind = kindOf(type, reply.body);
    if (kind === undefined) return failureResult('unreadable', `The page is ${cleanText(type ?? 'of an unknown type').slice(0, 100)}; only HTML, PDF and text can be read.`);
    if (kind === 'pdf' && reply.truncated) return failureResult('unreadable', `The PDF is larger than ${PAGE_BYTES_MAX} bytes.`);
    const { title, text } = await documents.read({ kind, body: reply.body, charset: charsetOf(type), url: reply.url }, orgId, signal);
    const whole = cleanText(text);
    const part = partOf(whole, Math.min(start, whole.length), PART_CHARS_MAX);
    return { isError: false, content: { url: reply.url, ...(title !== null && { title: cleanText(title).slice(0, 500) }), ...part, ...(reply.truncated && { truncated: `Only the first ${PAGE_BYTES_MAX} bytes were read.` }) } };
  } catch (err) {
    if (err instanceof UnreadableError) return failureResult('unreadable', `The page was fetched, but ${err.message}.`);
    if (!(err instanceof EgressError) || err.code === 'aborted') throw err;
    return failureResult(err.code, `The page could not be fetched: ${err.message}.`);
  }
}

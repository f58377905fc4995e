import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the upstream got it. */
export interface UpstreamRequest {
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  /** Becomes true when the other side goes before it has its whole answer. */
  isAborted: boolean;
}

type Answer = (res: ServerResponse, request: UpstreamRequest) => unknown;

/** An upstream that answers by `answer`, which tests set. */
export interface ChatUpstreamServer {
  readonly baseUrl: string;
  readonly requests: UpstreamRequest[];
  answer: Answer;
  close(): Promise<void>;
}

export const completion = (more: object = {}, message: object = { role: 'assistant', content: 'hello' }): object => ({
  id: 'upstream-1', object: 'chat.completion', created: 7, model: 'real-model', choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
  usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16, prompt_tokens_details: { cached_tokens: 4 } }, ...more,
});

export const chunk = (delta: object, more: object = {}, finish: string | null = null): object => ({ id: 'upstream-1', object: 'chat.completion.chunk', created: 7, model: 'real-model', choices: [{ index: 0, delta, finish_reason: finish }], ...more });
export const usageChunk = { id: 'upstream-1', object: 'chat.completion.chunk', created: 7, model: 'real-model', choices: [], usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 } };

export const whole = (body: object, status = 200, headers: Record<string, string> = {}): Answer => (res) => res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
/** An event stream of these chunks, with `[DONE]` at its end unless it is cut. */
export const events = (chunks: readonly object[], { cut = false } = {}): Answer => (res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const text = chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
  if (cut) res.write(text, () => res.destroy());
  else res.end(`${text}data: [DONE]\n\n`);
};
/** A stream that says one thing and goes on. */
export const endless = (content: string): Answer => (res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).write(`data: ${JSON.stringify(chunk({ content }))}\n\n`);
export const refusal = (status: number, headers: Record<string, string> = {}): Answer => whole({ error: { message: `refused with ${status}`, type: 'some_error', code: 'some_code', param: 'messages' } }, status, headers);

export async function startChatUpstream(): Promise<ChatUpstreamServer> {
  const server = createServer((req: IncomingMessage, res) => {
    void req.toArray().then((chunks) => {
      const request: UpstreamRequest = { headers: req.headers, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>, isAborted: false };
      made.requests.push(request);
      res.on('close', () => {
        if (!res.writableFinished) request.isAborted = true;
      });
      made.answer(res, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const made: ChatUpstreamServer = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: [],
    answer: whole(completion()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return made;
}

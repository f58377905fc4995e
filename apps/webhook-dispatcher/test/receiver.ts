import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a receiver answers to a request: a status, and headers with it. */
export type Answered = { status: number; headers?: Record<string, string> };

/** A receiver that a test can tell what to answer while it runs. */
export interface Receiver {
  readonly url: string;
  /** The bodies that arrived, in order. */
  readonly bodies: string[];
  /** How many requests were open at a time, at most. */
  readonly most: number;
  answer: (body: string) => Answered | Promise<Answered>;
  close(): void;
}

export async function startReceiver(answer: Receiver['answer']): Promise<Receiver> {
  let open = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    open += 1;
    receiver.most = Math.max(receiver.most, open);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      receiver.bodies.push(body);
      void Promise.resolve(receiver.answer(body)).then(({ status, headers = {} }) => {
        open -= 1;
        response.writeHead(status, headers).end();
      });
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    bodies: [] as string[],
    most: 0,
    answer,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return receiver;
}

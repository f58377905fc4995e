import type { Socket } from 'node:net';
import type { ErrorBody } from '@nightshift/contracts';

const REFUSALS: Readonly<Record<string, { readonly status: string; readonly message: string }>> = {
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', message: 'The headers of the request are too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', message: 'The request took too long to arrive.' },
};

/** Answers, in the usual envelope, what is no request that a route could be found for; then the connection ends. */
export function refuseConnection(cause: string | undefined, socket: Socket, requestId: string): void {
  if (cause === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const { status, message } = REFUSALS[cause ?? ''] ?? { status: '400 Bad Request', message: 'This is not a valid HTTP request.' };
  const code = 'invalid_request';
  const body: ErrorBody = { error: { code, message, type: code, param: null }, requestId };
  const json = JSON.stringify(body);
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(json)}\r\nx-request-id: ${requestId}\r\nconnection: close\r\n\r\n${json}`);
}

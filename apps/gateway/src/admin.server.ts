import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppError } from '@nightshift/contracts';
import type { Shutdown } from '@nightshift/runtime';

/** Who does not take what was answered is not waited for. */
const HANG_UP_MS = 3000;
const ADMIN = /^\/admin\//;
const ON_EVERY_PORT = /^\/(health|ready)$/;

/**
 * Serves /admin/v1 on a port of its own, through the same application; nothing of it is on the public port, and
 * nothing public on this one. Returns the port.
 */
export async function serveAdmin(app: NestFastifyApplication, host: string, port: number, shutdown: Shutdown): Promise<number> {
  const instance = app.getHttpAdapter().getInstance();
  const server = createServer((request, response) => instance.routing(request, response));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  adminPorts.add((server.address() as AddressInfo).port);
  shutdown.add('hang_up', 'admin port', () => {
    setTimeout(() => server.closeAllConnections(), HANG_UP_MS).unref();
    return new Promise((resolve) => void server.close(() => resolve()));
  });
  return (server.address() as AddressInfo).port;
}

const adminPorts = new Set<number | undefined>();

/** Keeps the two ports apart; to be called before the application listens. */
export function separatePorts(app: NestFastifyApplication): void {
  app.getHttpAdapter().getInstance().addHook('onRequest', (request, _reply, done) => {
    // The route, not the address as it was sent: that may be spelled with escapes.
    const path = request.routeOptions.url ?? request.url.split('?')[0] ?? '';
    const isRight = ON_EVERY_PORT.test(path) || ADMIN.test(path) === adminPorts.has(request.socket.localPort);
    done(isRight ? undefined : new AppError('not_found', { message: 'There is nothing at this address.' }));
  });
}

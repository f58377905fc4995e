import { randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DynamicModule, type INestApplication, StandardSchemaSerializerInterceptor } from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppError } from '@nightshift/contracts';
import { type Logger, metrics, metricsText, type StartedSpan, startSpan, traceIdOf, traceparentFrom, validTraceparent } from '@nightshift/runtime';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { refuseConnection } from './client-error.ts';
import { ErrorFilter } from './error.filter.ts';
import { parseBody } from './json-body.ts';
import type { AppRequest } from './request.ts';
import { ValidationPipe } from './validation.pipe.ts';

/** The largest request body, in bytes (5 MiB). */
export const BODY_BYTES_MAX = 5 * 1024 * 1024;

/** How deep lists and objects may be nested in a request body. */
export const BODY_LEVELS_MAX = 64;

const DISCARDED_BYTES_MAX = 32 * 1024 * 1024;
/** How long a request may take to arrive; its answer may take as long as it likes. */
const REQUEST_TIMEOUT_MS = 120_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** What an app is made of besides its module. `serviceTokens`: callers by token; without it the routes are open to all. */
export interface AppOptions {
  readonly name: string;
  readonly log: Logger;
  readonly bodyBytesMax?: number;
  /** True once the process has been told to stop: its answers then ask for the connection to be closed. */
  readonly isStopping?: () => boolean;
  readonly bodyLevelsMax?: number;
  readonly serviceTokens?: ReadonlyMap<string, string>;
}

/** Builds a Nest application on Fastify: zod validation, error envelope, request ids, one log line and one metric per request. */
export async function createApp(module: DynamicModule, options: AppOptions): Promise<NestFastifyApplication> {
  const errors = new ErrorFilter(options.log);
  const instance = fastify({
    // An address that cannot be read reaches neither a hook nor Nest.
    frameworkErrors: (err, request, reply) => void errors.reply(err, request, reply.header('x-request-id', request.id)),
    clientErrorHandler: ({ code }, socket) => refuseConnection(code, socket, newRequestId()),
    requestTimeout: REQUEST_TIMEOUT_MS,
    bodyLimit: options.bodyBytesMax ?? BODY_BYTES_MAX,
    forceCloseConnections: 'idle',
    // What comes over an open connection at the very end is answered like all before it.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 512 },
    genReqId: (raw) => {
      const given = raw.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : newRequestId();
    },
  });
  acceptJson(instance, options.bodyBytesMax ?? BODY_BYTES_MAX, options.bodyLevelsMax ?? BODY_LEVELS_MAX);
  noteRequests(instance, options);
  const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(instance as never), { logger: false, abortOnError: false, bodyParser: false });
  app.useGlobalPipes(new ValidationPipe());
  app.useGlobalFilters(errors);
  app.useGlobalInterceptors(new StandardSchemaSerializerInterceptor(app.get(Reflector)));
  return app;
}

/**
 * A body over the limit is read on and thrown away, within bounds, because a client that is still sending hears no answer.
 */
function acceptJson(instance: FastifyInstance, bytesMax: number, levelsMax: number): void {
  instance.removeContentTypeParser('application/json');
  instance.addContentTypeParser('application/json', (request, payload, done) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    payload.on('error', done);
    payload.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else chunks.length = 0;
      if (bytes > bytesMax + DISCARDED_BYTES_MAX) payload.destroy(new AppError('request_too_large'));
    });
    payload.on('end', () => {
      if (bytes > bytesMax) return done(new AppError('request_too_large'));
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      (request as AppRequest).rawBody = body;
      try {
        done(null, parseBody(body, levelsMax));
      } catch (err) {
        done(err as Error);
      }
    });
  });
}

function noteRequests(instance: FastifyInstance, options: AppOptions): void {
  const { log, serviceTokens } = options;
  const spans = new WeakMap<AppRequest, StartedSpan>();
  const tokens = serviceTokens && [...serviceTokens].map(([name, token]) => ({ name, token: Buffer.from(`Bearer ${token}`) }));
  instance.addHook('onRequest', (request, reply, done) => {
    const req = request as AppRequest;
    req.notes = {};
    const span = spanOf(req, options.name);
    if (span) spans.set(req, span);
    req.traceparent = span?.traceparent ?? traceparentFrom(undefined);
    reply.header('x-request-id', req.id);
    if (options.isStopping?.()) reply.header('connection', 'close');
    // What a client does not wait for never finishes, and is told of all the same.
    reply.raw.once('close', () => {
      if (reply.raw.writableFinished) return;
      req.notes.errorCode ??= 'client_left';
      note(req, reply);
    });
    // The route, not the address as it was sent: that may be spelled with escapes.
    if (tokens && req.routeOptions.url?.startsWith('/internal/') && !isAccepted(tokens, req.headers.authorization)) {
      return done(new AppError('authentication_failed', { message: 'This route is for the other services only.' }));
    }
    done();
  });
  instance.addHook('onResponse', (request, reply, done) => {
    note(request as AppRequest, reply);
    done();
  });
  function note(req: AppRequest, reply: FastifyReply): void {
    const route = req.routeOptions.url ?? 'unknown';
    const durationMs = Math.round(reply.elapsedTime * 10) / 10;
    const span = spans.get(req);
    span?.set({ 'http.response.status_code': reply.statusCode });
    span?.end(reply.statusCode >= 500 ? (req.notes.errorCode ?? String(reply.statusCode)) : undefined);
    metrics.httpDuration.observe({ service: options.name, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000, span && req.traceparent);
    const level = route === '/health' || route === '/ready' || route.startsWith('/internal/') ? 'debug' : 'info';
    log[level]({ requestId: req.id, method: req.method, route, status: reply.statusCode, durationMs, traceId: traceIdOf(req.traceparent), ...req.notes }, 'request');
  }
}

const PROBES = new Set(['/health', '/ready', '/metrics']);

/** Probes, and what services ask each other besides the work of a run, are not worth a trace. */
function spanOf({ method, routeOptions, headers }: AppRequest, service: string): StartedSpan | undefined {
  const route = routeOptions.url ?? 'unknown';
  const parent = validTraceparent(headerOf(headers.traceparent));
  if (PROBES.has(route) || (parent === undefined && route.startsWith('/internal/'))) return undefined;
  return startSpan(`${method} ${route}`, { parent, kind: 'server', attributes: { 'nightshift.service': service, 'http.request.method': method, 'http.route': route } });
}

function newRequestId(): string {
  return `req_${randomUUID().replaceAll('-', '')}`;
}

function isAccepted(tokens: readonly { token: Buffer }[], header: string | undefined): boolean {
  const given = Buffer.from(header ?? '');
  return tokens.some(({ token }) => token.length === given.length && timingSafeEqual(token, given));
}

function headerOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Where an application listens. */
export function portOf(app: INestApplication): number {
  return ((app.getHttpServer() as { address(): AddressInfo }).address()).port;
}

const LET_GO_MS = 1500;
const LOOK_EVERY_MS = 25;

/**
 * Waits until nobody is connected any more, at most 1.5 s: as long as an application that stops goes on to answer, each
 * answer tells a client to come back over another connection, and so to another process.
 */
export async function connectionsGone(app: INestApplication, hurry: AbortSignal): Promise<void> {
  const server = app.getHttpServer() as { getConnections: (told: (err: Error | null, count: number) => void) => void };
  const count = () => new Promise<number>((resolve) => server.getConnections((err, connections) => resolve(err ? 0 : connections)));
  for (const until = performance.now() + LET_GO_MS; performance.now() < until && !hurry.aborted && (await count()) > 0; ) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

/** Serves GET /metrics on a port of its own; port 0 takes a free one. */
export async function serveMetrics(host: string, port: number): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    metricsText(request.headers.accept).then(
      ({ contentType, text }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      (err: unknown) => response.writeHead(500).end(String(err)),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()),
  };
}

import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { AppError, type ErrorBody, type ErrorCode } from '@nightshift/contracts';
import { isInfrastructure } from '@nightshift/postgres';
import type { Logger } from '@nightshift/runtime';
import type { FastifyReply } from 'fastify';
import { throwError } from 'rxjs';
import type { AppRequest } from './request.ts';

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'authentication_failed',
  403: 'permission_denied',
  404: 'not_found',
  405: 'not_found',
  409: 'conflict',
  413: 'request_too_large',
  414: 'not_found',
  415: 'invalid_request',
  429: 'rate_limited',
  503: 'service_unavailable',
};

/** Any error as one of the catalogue: what nobody foresaw is `internal_error`, a database that is away `service_unavailable`. */
export function toAppError(err: unknown): AppError {
  if (err instanceof AppError) return err;
  if (isInfrastructure(err)) return new AppError('service_unavailable', { cause: err, headers: { 'retry-after': '1' } });
  const status = err instanceof HttpException ? err.getStatus() : (err as { statusCode?: unknown }).statusCode;
  const code = typeof status === 'number' ? CODE_OF_STATUS[status] : undefined;
  if (code === undefined) return new AppError('internal_error', { cause: err });
  if (code === 'request_too_large') return new AppError(code, { cause: err });
  if (status === 415) return new AppError(code, { cause: err, message: 'Send the body as JSON, with "Content-Type: application/json".' });
  return new AppError(code, { cause: err, message: err instanceof Error ? err.message : undefined });
}

/** The one place where an error becomes a response. On the bus errors pass unchanged to the consumer's policy. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  catch(err: unknown, host: ArgumentsHost): unknown {
    if (host.getType() !== 'http') return throwError(() => err);
    const request = host.switchToHttp().getRequest<AppRequest>();
    return this.reply(err, request, host.switchToHttp().getResponse<FastifyReply>());
  }

  /** Answers a request with the error's envelope. */
  reply(err: unknown, request: Pick<AppRequest, 'id'> & Partial<Pick<AppRequest, 'notes'>>, reply: FastifyReply): FastifyReply {
    const error = toAppError(err);
    if (error.status >= 500 && !isOutcome(error)) this.#log.error({ err: error.cause ?? error, requestId: request.id, errorCode: error.code }, 'request failed');
    const code = error.wireCode;
    if (request.notes) request.notes.errorCode = code;
    const body: ErrorBody = {
      error: { code, message: error.message, type: code, param: null, ...(error.details && { details: error.details }) },
      requestId: request.id,
    };
    return reply.status(error.status).headers(error.headers).send(body);
  }
}

/** What a run came to is an answer, and no failure of the server. */
function isOutcome({ code }: AppError): boolean {
  return code === 'run_failed' || code === 'timeout';
}

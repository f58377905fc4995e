import type { FastifyRequest } from 'fastify';

/** What a request's log line says beyond the ordinary; guards and controllers add to it. */
export interface RequestNotes {
  orgId?: string;
  runId?: string;
  errorCode?: string;
}

/** A request with what the server has noted about it. */
export interface AppRequest extends FastifyRequest {
  notes: RequestNotes;
  /** The body as it came, when there was one. */
  rawBody: Buffer | undefined;
  /** W3C trace context of this request. */
  traceparent: string;
}

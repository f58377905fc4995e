import { type ArgumentMetadata, StandardSchemaValidationPipe } from '@nestjs/common';
import { AppError } from '@nightshift/contracts';
import { cleanJson } from '@nightshift/std';
import { invalidRequest } from './invalid-request.ts';

/** Ids that are no part of an address: they would name another one, here or between services. */
const DOTS = /^\.{0,2}$/;

/** Takes bodies and queries as their schemas have them, and refuses others with 400 and every wrong field. Queries come clean as by `cleanJson`. */
export class ValidationPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({ exceptionFactory: invalidRequest });
  }

  override transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    if (metadata.type === 'param') return super.transform(idOf(value) as T, metadata);
    return super.transform(metadata.type === 'query' ? (cleanJson(value) as T) : value, metadata);
  }

  /**
   * Nest takes the keys `constructor` and `prototype` out of a value, at any depth: a field of somebody's answer format
   * may have that name. A parsed `__proto__` is a key like any other, which neither zod nor a spread turns into a prototype.
   */
  protected override stripProtoKeys(): void {}
}

/** An id as stores can look it up. One with a NUL is no object's, so it may become any other that is none. */
function idOf(id: unknown): unknown {
  if (typeof id !== 'string') return id;
  if (DOTS.test(id)) throw new AppError('not_found');
  return id.replaceAll('\0', '\ufffd');
}

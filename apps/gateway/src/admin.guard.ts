import { timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { AppError } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';

/** The injection token of the operator's bearer token. */
export const ADMIN_TOKEN = Symbol('admin token');

/** Lets requests with the operator's token pass. */
@Injectable()
export class AdminGuard implements CanActivate {
  readonly #expected: Buffer;

  constructor(@Inject(ADMIN_TOKEN) token: string) {
    this.#expected = Buffer.from(`Bearer ${token}`);
  }

  canActivate(context: ExecutionContext): boolean {
    const given = Buffer.from(context.switchToHttp().getRequest<AppRequest>().headers.authorization ?? '');
    if (given.length === this.#expected.length && timingSafeEqual(given, this.#expected)) return true;
    throw new AppError('authentication_failed', { message: 'Send the operator’s token: "Authorization: Bearer <ADMIN_TOKEN>".' });
  }
}

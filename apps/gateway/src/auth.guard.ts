import { type CanActivate, createParamDecorator, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AppError, type Scope } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import { must } from '@nightshift/std';
import { type Caller, presentedKey } from './api-key.ts';
import { KeyStore } from './key.store.ts';

const SCOPE = 'scope';
const callers = new WeakMap<AppRequest, Caller>();

/** The scope a key needs for a route. */
export const Needs = (scope: Scope): MethodDecorator => SetMetadata(SCOPE, scope);

/** Who calls, in a route behind the guard. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => must(callers.get(context.switchToHttp().getRequest<AppRequest>()), 'caller'));

/** Lets requests with a valid API key pass. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    @Inject(KeyStore) private readonly keys: KeyStore,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AppRequest>();
    const key = presentedKey(request.headers);
    if (key === undefined) throw new AppError('authentication_failed', { message: 'Send an API key: "Authorization: Bearer <key>".' });
    const caller = await this.keys.find(key);
    if (!caller) throw new AppError('authentication_failed', { message: 'The API key is not valid.' });
    request.notes.orgId = caller.orgId;
    const scope = this.reflector.get<Scope | undefined>(SCOPE, context.getHandler());
    if (scope !== undefined && !caller.scopes.includes(scope)) throw new AppError('permission_denied', { message: `The API key lacks the scope "${scope}".` });
    callers.set(request, caller);
    return true;
  }
}

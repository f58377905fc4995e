import { type CanActivate, createParamDecorator, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AppError, type Scope } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import { must } from '@nightshift/std';
import { assertScope, type Caller, presentedKey } from './api-key.ts';
import { KeyStore } from './key.store.ts';
import { RateLimiter } from './rate-limiter.client.ts';
import { Settings } from './settings.ts';

const SCOPE = 'scope';
const BROWSER = 'browser';
const UNLIMITED = 'unlimited';
const READS = new Set(['GET', 'HEAD']);
const callers = new WeakMap<AppRequest, Caller>();

/** The scope a key needs for a route. */
export const Needs = (scope: Scope): MethodDecorator => SetMetadata(SCOPE, scope);

/** A route that a browser may call with `?api_key=`, since it cannot set headers there. */
export const BrowserMayUse = (): MethodDecorator => SetMetadata(BROWSER, true);

/** A route that is open also to who has reached a limit, because it makes no work. Reads are so anyway. */
export const Unlimited = (): MethodDecorator => SetMetadata(UNLIMITED, true);

/** Who calls, in a route behind the guard. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => must(callers.get(context.switchToHttp().getRequest<AppRequest>()), 'caller'));

/** Lets requests with a valid API key pass, as many as its limits allow. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    @Inject(KeyStore) private readonly keys: KeyStore,
    @Inject(RateLimiter) private readonly limiter: RateLimiter,
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AppRequest>();
    const key = presentedKey(request.headers) ?? this.#browserKey(context, request);
    if (key === undefined) throw new AppError('authentication_failed', { message: 'Send an API key: "Authorization: Bearer <key>".' });
    const caller = await this.keys.find(key);
    if (!caller) throw new AppError('authentication_failed', { message: 'The API key is not valid.' });
    request.notes.orgId = caller.orgId;
    const scope = this.reflector.get<Scope | undefined>(SCOPE, context.getHandler());
    if (scope !== undefined) assertScope(caller, scope);
    if (!READS.has(request.method) && !this.reflector.get<boolean | undefined>(UNLIMITED, context.getHandler())) await this.limiter.check(caller);
    callers.set(request, caller);
    return true;
  }

  #browserKey(context: ExecutionContext, { headers, query }: AppRequest): string | undefined {
    const { api_key: key } = query as { api_key?: unknown };
    const mayUse = this.reflector.get<boolean | undefined>(BROWSER, context.getHandler()) && this.settings.browserOrigins.includes(headers.origin ?? '');
    return mayUse && typeof key === 'string' ? key : undefined;
  }
}

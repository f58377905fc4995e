import { applyDecorators, HttpCode, SerializeOptions } from '@nestjs/common';
import type { z } from 'zod';

/** Declares a route's success status and body: what the schema does not name is stripped. */
export function Returns(status: number, schema: z.ZodType): MethodDecorator {
  return applyDecorators(HttpCode(status), SerializeOptions({ schema }));
}

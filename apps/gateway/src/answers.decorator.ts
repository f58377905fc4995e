import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { Returns } from '@nightshift/http';
import type { z } from 'zod';

/** Declares a public route's success status and body, in the API document too. */
export function Answers(status: number, schema: z.ZodType): MethodDecorator {
  return applyDecorators(Returns(status, schema), ApiResponse({ status, standardSchema: schema }));
}

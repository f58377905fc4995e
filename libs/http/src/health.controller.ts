import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ReadinessChecks } from '@nightshift/runtime';
import type { FastifyReply } from 'fastify';

/** GET /health and GET /ready of every process. */
@ApiExcludeController()
@Controller()
export class HealthController {
  constructor(@Inject(ReadinessChecks) private readonly readiness: ReadinessChecks) {}

  @Get('health')
  health(): { status: 'healthy' } {
    return { status: 'healthy' };
  }

  @Get('ready')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const readiness = await this.readiness.read();
    await reply.status(readiness.status === 'unready' ? 503 : 200).send(readiness);
  }
}

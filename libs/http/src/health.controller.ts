import { Controller, Get, Headers, Inject, Res } from '@nestjs/common';
import { metricsText, ReadinessChecks } from '@nightshift/runtime';
import type { FastifyReply } from 'fastify';

/** GET /health and GET /ready of every process. */
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

/** GET /metrics, where a process has no port of its own for it. */
@Controller()
export class MetricsController {
  @Get('metrics')
  async metrics(@Headers('accept') accept: string | undefined, @Res() reply: FastifyReply): Promise<void> {
    const { contentType, text } = await metricsText(accept);
    await reply.header('content-type', contentType).send(text);
  }
}

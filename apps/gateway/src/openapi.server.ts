import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { AppError, ErrorBody } from '@nightshift/contracts';
import { createApp, InternalClient } from '@nightshift/http';
import { connect } from '@nightshift/postgres';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import { generateSealKeyPair, must } from '@nightshift/std';
import { z } from 'zod';
import { AppModule } from './app.module.ts';
import { GatewayEnvironment } from './config.ts';

const FOR_OPERATORS = ['/health', '/ready', '/metrics'];

/** The API's document, generated from the routes and their schemas. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const settings = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Nightshift')
    .setDescription('Runs AI agents in the background and makes sure they finish.')
    .setVersion('1')
    .addBearerAuth()
    .build();
  const document = SwaggerModule.createDocument(app, settings);
  for (const path of FOR_OPERATORS) Reflect.deleteProperty(document.paths, path);
  // A schema with a name is described as a reference to itself, beside its definition.
  const { $defs } = z.toJSONSchema(ErrorBody) as { $defs?: Record<string, object> };
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Error: must($defs?.['Error'], 'schema of errors') } };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path as Record<string, { responses?: Record<string, unknown> }>)) {
      if (operation.responses) operation.responses['default'] = { description: 'Any error.', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
    }
  }
  return document;
}

/** The same document without a database and without other services: the application is built, and nobody calls it. */
export async function describeApi(): Promise<OpenAPIObject> {
  const log = createLog({ level: 'silent', format: 'json' });
  const db = connect({ url: 'postgresql://127.0.0.1:1/none', max: 1, name: 'none', onError: () => undefined });
  const environment = GatewayEnvironment.parse({ ADMIN_TOKEN: 'nobody-has-this-token', SEAL_PUBLIC_KEY: generateSealKeyPair().publicKey });
  const nobody = new InternalClient(() => Promise.reject(new AppError('service_unavailable')), '');
  const around = { client: () => nobody, neighbours: [], readiness: new ReadinessChecks(), onePool: undefined, hints: new InProcessHints(), log, shutdown: new Shutdown() };
  const app = await createApp(AppModule.of(environment, around, { db, onStart: () => undefined }), { name: 'gateway', log });
  try {
    return openApiDocument(app);
  } finally {
    await app.close();
    await db.close();
  }
}

/** Serves the document at /openapi.json and a page to read and try it at /docs. */
export function serveOpenApi(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, openApiDocument(app), { jsonDocumentUrl: 'openapi.json', customSiteTitle: 'Nightshift API' });
}

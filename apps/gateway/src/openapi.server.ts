import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { ErrorBody } from '@nightshift/contracts';
import { z } from 'zod';

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
  const { $schema: _, id: __, ...error } = z.toJSONSchema(ErrorBody) as Record<string, unknown>;
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Error: error } };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path as Record<string, { responses?: Record<string, unknown> }>)) {
      if (operation.responses) operation.responses['default'] = { description: 'Any error.', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
    }
  }
  return document;
}

/** Serves the document at /openapi.json and a page to read and try it at /docs. */
export function serveOpenApi(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, openApiDocument(app), { jsonDocumentUrl: 'openapi.json', customSiteTitle: 'Nightshift API' });
}

import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, type SwaggerDocumentOptions, SwaggerModule } from '@nestjs/swagger';
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
const CHATS = ['/v1/chat/completions', '/v1/completions'];

/** OpenAPI 3.1 speaks JSON Schema 2020-12; left to itself, Nest asks for the dialect of 3.0. */
const dialect: SwaggerDocumentOptions = {
  standardSchemaConverter: (schema, { schemaType }) => {
    const { $schema: _, $defs, ...rest } = z.toJSONSchema(schema as z.ZodType, { io: schemaType });
    return { schema: rest, components: $defs ?? {} };
  },
};

interface Operation {
  responses?: Record<string, { description: string; content?: Record<string, object> } | undefined>;
  security?: object[];
}

/** The API's document, generated from the routes and their schemas. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const settings = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Nightshift')
    .setDescription('Runs AI agents in the background and makes sure they finish.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'API key', description: 'An API key.' })
    .addApiKey({ type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same key in another header.' }, 'key')
    .build();
  const document = SwaggerModule.createDocument(app, settings, dialect);
  for (const path of FOR_OPERATORS) Reflect.deleteProperty(document.paths, path);
  // A schema with a name is described as a reference to itself, beside its definition.
  const { $defs } = z.toJSONSchema(ErrorBody) as { $defs?: Record<string, object> };
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Error: must($defs?.['Error'], 'schema of errors') } };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path as Record<string, Operation>)) {
      if (operation.security) operation.security = [{ bearer: [] }, { key: [] }];
      if (operation.responses) operation.responses['default'] = { description: 'Any error.', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
    }
  }
  for (const path of CHATS) {
    const { content } = must((document.paths[path]?.post as Operation | undefined)?.responses?.['200'], path);
    must(content, path)['text/event-stream'] = { schema: { type: 'string', description: 'With `stream`: chunks as server-sent events, and [DONE].' } };
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

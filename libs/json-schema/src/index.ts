export { type CompiledSchema, compileJsonSchema } from './json-schema.ts';

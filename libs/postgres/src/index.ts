export { type Claimed, claimedColumns, newestEndings, waitingStatement, type WorkTable } from './claim.ts';
export { connect, type Database, isInfrastructure, type Statement, statement } from './database.ts';
export { flusher, type WriteMany } from './flush.ts';
export { migrate, type MigrationState, migrationState } from './migrate.ts';
export { outboxCte, outboxEvent, outboxJson, type Publish, Relay } from './outbox.ts';
export { type Held, patiently, Worker, type WorkObserver } from './work.ts';
export { type EmbeddedPostgres, embeddedUrl, startEmbeddedPostgres } from './embedded.ts';

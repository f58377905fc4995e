export { type Backlog, backlogStatement, waitingStatement } from './backlog.ts';
export { type Claimed, claimedColumns, claimStatement, newestEndings, type WorkTable } from './claim.ts';
export { connect, type Database, hotStatement, isInfrastructure, type Statement, statement } from './database.ts';
export { flusher, type WriteMany } from './flush.ts';
export { migrate, type MigrationState, migrationState } from './migrate.ts';
export { outboxCte, outboxEvent, outboxJson, type Publish, Relay } from './outbox.ts';
export { type Held, patiently } from './patiently.ts';
export { Worker, type WorkObserver } from './work.ts';
export { type EmbeddedPostgres, embeddedUrl, startEmbeddedPostgres } from './embedded.ts';

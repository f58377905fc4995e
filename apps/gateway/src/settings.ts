import type { ServedCatalogue } from '@nightshift/contracts';

/** What the public edge knows of the installation. */
export class Settings {
  /** What the callers of a pool can name as engine or model. */
  readonly catalogueOf: (pool: string) => ServedCatalogue;
  readonly egressAllow: readonly string[];
  readonly sealPublicKey: string;
  /** Origins that may call from a browser. */
  readonly browserOrigins: readonly string[];
  /** The pool that all runs go to, where one process serves every pool. */
  readonly onePool: string | undefined;

  constructor(settings: Settings) {
    this.catalogueOf = settings.catalogueOf;
    this.egressAllow = settings.egressAllow;
    this.sealPublicKey = settings.sealPublicKey;
    this.browserOrigins = settings.browserOrigins;
    this.onePool = settings.onePool;
  }
}

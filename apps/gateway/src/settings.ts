import type { Engine } from '@nightshift/contracts';

/** What the public edge knows of the installation. */
export class Settings {
  readonly engines: readonly Engine[];
  /** True when the offline engine answers. */
  readonly offline: boolean;
  readonly egressAllow: readonly string[];
  readonly sealPublicKey: string;
  /** The pool that all runs go to, where one process serves every pool. */
  readonly onePool: string | undefined;

  constructor(settings: Settings) {
    this.engines = settings.engines;
    this.offline = settings.offline;
    this.egressAllow = settings.egressAllow;
    this.sealPublicKey = settings.sealPublicKey;
    this.onePool = settings.onePool;
  }
}

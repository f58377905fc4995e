import type { Engine } from '@nightshift/contracts';

/** What the public edge knows of the installation. */
export class Settings {
  readonly engines: readonly Engine[];
  /** True when the offline engine answers. */
  readonly offline: boolean;
  readonly egressAllow: readonly string[];
  readonly sealPublicKey: string;

  constructor(settings: Settings) {
    this.engines = settings.engines;
    this.offline = settings.offline;
    this.egressAllow = settings.egressAllow;
    this.sealPublicKey = settings.sealPublicKey;
  }
}

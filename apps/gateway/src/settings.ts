import { type Engine, plainModelOf } from '@nightshift/contracts';

/** What the public edge knows of the installation. */
export class Settings {
  readonly engines: readonly Engine[];
  /** The model of the one upstream that answers for every engine, where the operator named it. */
  readonly upstreamModel: string | undefined;
  /** True when the offline engine answers. */
  readonly offline: boolean;
  readonly egressAllow: readonly string[];
  readonly sealPublicKey: string;
  /** Origins that may call from a browser. */
  readonly browserOrigins: readonly string[];
  /** The pool that all runs go to, where one process serves every pool. */
  readonly onePool: string | undefined;

  constructor(settings: Omit<Settings, 'isPlainModel'>) {
    this.engines = settings.engines;
    this.upstreamModel = settings.upstreamModel;
    this.offline = settings.offline;
    this.egressAllow = settings.egressAllow;
    this.sealPublicKey = settings.sealPublicKey;
    this.browserOrigins = settings.browserOrigins;
    this.onePool = settings.onePool;
  }

  /** Whether an id of the chat surfaces is called plainly; the other ids of the catalogue are agents. */
  isPlainModel(id: string): boolean {
    return plainModelOf(this.engines, this.upstreamModel, id) !== undefined;
  }
}

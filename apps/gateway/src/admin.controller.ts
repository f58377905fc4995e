import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type ApiKey, AppError, ChangedOrg, CreatedKey, CreateKey, CreateOrg, KeyList, Org, OrgList, UpdateOrg } from '@nightshift/contracts';
import { AdminGuard } from './admin.guard.ts';
import { Answers } from './answers.decorator.ts';
import { KeyStore } from './key.store.ts';
import { OrgStore } from './org.store.ts';
import { Pools } from './pools.client.ts';
import { WebhooksClient } from './webhooks.client.ts';

/** Organisations and keys, for the operator. */
@ApiExcludeController()
@UseGuards(AdminGuard)
@Controller('admin/v1')
export class AdminController {
  constructor(
    @Inject(OrgStore) private readonly orgs: OrgStore,
    @Inject(KeyStore) private readonly keys: KeyStore,
    @Inject(Pools) private readonly pools: Pools,
    @Inject(WebhooksClient) private readonly webhooks: WebhooksClient,
  ) {}

  @Post('orgs')
  @Answers(201, ChangedOrg)
  async createOrg(@Body({ schema: CreateOrg }) org: CreateOrg): Promise<ChangedOrg> {
    return this.pools.judged(await this.orgs.create(org));
  }

  @Get('orgs')
  @Answers(200, OrgList)
  async listOrgs(): Promise<{ orgs: Org[] }> {
    return { orgs: await this.orgs.list() };
  }

  @Get('orgs/:id')
  @Answers(200, Org)
  getOrg(@Param('id') id: string): Promise<Org> {
    return this.orgs.get(id);
  }

  @Patch('orgs/:id')
  @Answers(200, ChangedOrg)
  async updateOrg(@Param('id') id: string, @Body({ schema: UpdateOrg }) changes: UpdateOrg): Promise<ChangedOrg> {
    const org = await this.pools.judged(await this.orgs.update(id, changes));
    const warnings = [...(org.warnings ?? []), ...(changes.egressAllow ? await this.#tellSubscriptions(org) : [])];
    return { ...org, ...(warnings.length > 0 && { warnings }) };
  }

  @Post('orgs/:id/keys')
  @Answers(201, CreatedKey)
  createKey(@Param('id') id: string, @Body({ schema: CreateKey }) key: CreateKey): Promise<ApiKey & { key: string }> {
    return this.keys.create(id, key);
  }

  @Get('orgs/:id/keys')
  @Answers(200, KeyList)
  async listKeys(@Param('id') id: string): Promise<{ keys: ApiKey[] }> {
    await this.orgs.get(id);
    return { keys: await this.keys.list(id) };
  }

  @Delete('keys/:id')
  @HttpCode(204)
  revokeKey(@Param('id') id: string): Promise<void> {
    return this.keys.revoke(id);
  }

  /** Runs take the list with them; subscriptions outlive them. Returns what went wrong: the organisation is changed already. */
  async #tellSubscriptions({ id: orgId, egressAllow }: Org): Promise<string[]> {
    try {
      await this.webhooks.setEgress({ orgId, egressAllow });
      return [];
    } catch (err) {
      if (!(err instanceof AppError)) throw err;
      return ['The webhook subscriptions of this organisation still reach what they reached before, because webhook-dispatcher does not answer; make the change again.'];
    }
  }
}

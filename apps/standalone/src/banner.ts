/** What the banner tells. `newKey` is set when the API key was made just now. */
export interface BannerFacts {
  readonly url: string;
  readonly adminUrl: string;
  readonly dataDir: string;
  readonly keyFile: string | undefined;
  /** Undefined when the operator chose the token. */
  readonly adminTokenFile: string | undefined;
  readonly newKey: string | undefined;
  readonly offline: boolean;
}

/** What a person sees when the process is ready, with a first request to paste. */
export function banner(facts: BannerFacts): string {
  const key = facts.keyFile === undefined ? '$BOOTSTRAP_API_KEY' : `$(cat '${facts.keyFile}')`;
  return [
    '',
    'Nightshift is ready',
    '',
    `  API        ${facts.url}   documentation ${facts.url}/docs`,
    `  API key    ${facts.keyFile ?? 'from BOOTSTRAP_API_KEY'}${facts.newKey === undefined ? '' : `   (new, shown once: ${facts.newKey})`}`,
    `  Admin API  ${facts.adminUrl}/admin/v1   token ${facts.adminTokenFile ?? 'from ADMIN_TOKEN'}`,
    `  Data       ${facts.dataDir}`,
    ...(facts.offline ? ['', '  No model is configured: the offline engine answers, and says so. Set UPSTREAM_BASE_URL', '  (any OpenAI-compatible server), UPSTREAM_API_KEY and UPSTREAM_MODEL for real answers.'] : []),
    '',
    `  curl -sS ${facts.url}/v1/runs -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' -d '{"engine":"tim","input":{"instructions":"Say hello"}}'`,
    `  curl -sS ${facts.url}/v1/runs -H "Authorization: Bearer ${key}"`,
    '',
    '',
  ].join('\n');
}

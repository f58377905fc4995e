/** Variables that say how the product behaves and never hold a secret. Of all others a bundle says only that they are set. */
const SHOWN = /^(HOST|PORT|ADMIN_PORT|METRICS_PORT|POOL|POOLS|REPLICAS|LOG_LEVEL|LOG_FORMAT|KAFKA_SSL_ENABLED|KAFKA_SASL_MECHANISM|UPSTREAM_MODEL|EGRESS_ALLOW|BROWSER_ORIGINS|RATE_LIMIT_[RT]PM|RUN_RETENTION_DAYS|WEBHOOK_RETRY_SECONDS|(TURN|CALL|DELIVERY)_SLOTS|ENDPOINT_CONCURRENCY|TOOL_HOST_CONCURRENCY|UV_THREADPOOL_SIZE|OTEL_SERVICE_NAME|[A-Z_]+_MS)$/;
/** Variables that hold addresses: shown without user, password, path and query. */
const ADDRESSES = /^(DATABASE_URL|REDIS_URL|KAFKA_BROKERS|UPSTREAM_BASE_URL|ADMIN_URL|OTEL_EXPORTER_OTLP(_TRACES)?_ENDPOINT|(RUNS|ENGINE_ORCHESTRATOR|TOOL_EXECUTOR|WEBHOOK_DISPATCHER|BILLING|SEARXNG|BRAVE|TAVILY|EXA|SERPER)_URL)$/;
/** Variables of the product at all; what else the environment holds is nobody's business. */
const OURS = /^(NIGHTSHIFT_|KAFKA_|OTEL_|UPSTREAM_|SEAL_|ENCRYPTION_|SERVICE_TOKENS?|ADMIN_|BOOTSTRAP_API_KEY|DATA_DIR|ENGINES_FILE|(BRAVE|TAVILY|EXA|SERPER)_API_KEY)/;

const SECRET_BYTES_MIN = 6;
const MARK = '[redacted]';

/** Texts that are secrets by their look, wherever they stand. */
const LOOKS = [
  /\b(sk|pk|whsec|ghp|xox[abp])[-_][A-Za-z0-9_+/=-]{8,}/g,
  /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi,
  /-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----/g,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*/g,
  /(?<=:\/\/)[^\s/@"']+:[^\s/@"']+(?=@)/g,
];

/** What of an environment may be told: behaviour as it is, addresses by host and port, of the rest that it is set. */
export function shownConfiguration(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
  return Object.fromEntries(entries.filter(([name]) => SHOWN.test(name) || ADDRESSES.test(name) || OURS.test(name)).map(([name, value]) => [name, shown(name, value)]).sort());
}

function shown(name: string, value: string): string {
  if (SHOWN.test(name)) return value;
  return ADDRESSES.test(name) ? value.split(',').map(addressOf).join(',') : '(set)';
}

function addressOf(text: string): string {
  const trimmed = text.trim();
  if (/^[\w.-]+(:\d+)?$/.test(trimmed)) return trimmed;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) || !URL.canParse(trimmed)) return '(set)';
  const { protocol, host } = new URL(trimmed);
  return `${protocol}//${host}`;
}

/** The values of an environment that a bundle must not hold, and the passwords within its addresses. */
export function secretsIn(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (value === undefined || SHOWN.test(name)) return [];
    if (ADDRESSES.test(name)) return value.split(',').flatMap(passwordOf);
    return OURS.test(name) || /KEY|TOKEN|SECRET|PASS|CREDENTIAL|_PAT$/i.test(name) ? partsOf(name, value) : [];
  });
}

function passwordOf(text: string): string[] {
  if (!URL.canParse(text.trim())) return [];
  const { password, search, username } = new URL(text.trim());
  return [password, decodeURIComponent(password), search, password === '' ? username : ''].filter((part) => part.length >= SECRET_BYTES_MIN);
}

// `runs:token,billing:token` is several secrets.
function partsOf(name: string, value: string): string[] {
  if (name.endsWith('_FILE') || name === 'DATA_DIR') return [];
  return [value, ...(name === 'SERVICE_TOKENS' ? value.split(',').map((entry) => entry.slice(entry.indexOf(':') + 1)) : [])].filter((part) => part.length >= SECRET_BYTES_MIN);
}

/** Strikes out these secrets, as they are and as JSON spells them, and whatever looks like one. */
export function redact(text: string, secrets: readonly string[]): string {
  const spelled = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
  const known = [...new Set(spelled)].sort((one, other) => other.length - one.length).reduce((rest, secret) => rest.replaceAll(secret, MARK), text);
  return LOOKS.reduce((rest, look) => rest.replace(look, MARK), known);
}

// What `helm test` runs: the gateway is ready through its Service, and with a key a run comes to its end.
const { BASE_URL, API_KEY, ENGINE, TIMEOUT_SECONDS } = process.env;
const until = Date.now() + Number(TIMEOUT_SECONDS) * 1000;
const headers = { 'content-type': 'application/json', authorization: `Bearer ${API_KEY}` };

async function ask(path, options = {}) {
  const response = await fetch(`${BASE_URL}${path}`, { ...options, signal: AbortSignal.timeout(Math.max(1, until - Date.now())) });
  return { status: response.status, body: await response.json() };
}

function fail(what, answer) {
  console.error(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
  process.exit(1);
}

const ready = await ask('/ready');
console.log(`GET /ready: ${ready.status} ${JSON.stringify(ready.body)}`);
if (ready.status !== 200) fail('the gateway is not ready', ready);

if (API_KEY) {
  const created = await ask('/v1/runs', { method: 'POST', headers, body: JSON.stringify({ engine: ENGINE, input: { instructions: 'Say hello.' } }) });
  if (created.status !== 202) fail('the run was not accepted', created);
  console.log(`POST /v1/runs: ${created.status} ${created.body.runId}`);
  let run = created;
  while (['queued', 'running'].includes(run.body.status) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    run = await ask(`/v1/runs/${created.body.runId}`, { headers });
  }
  if (run.body.status !== 'succeeded') fail('the run did not succeed', run);
  console.log(`the run succeeded`);
}

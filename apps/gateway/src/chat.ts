import { AppError } from '@nightshift/contracts';

/** No model has that id, on the chat surfaces. */
export function modelNotFound(model: string): AppError {
  return new AppError('model_not_found', { message: `There is no model "${model}"; GET /v1/models lists those that there are.` });
}

/** An answer of engine-orchestrator as clients get it: an error names the request. */
export function withRequestId<A extends { readonly status: number; readonly body: unknown }>(answer: A, requestId: string): A {
  const { status, body } = answer;
  if (status < 400 || typeof body !== 'string') return answer;
  return { ...answer, body: JSON.stringify({ ...envelopeOf(body), requestId }) };
}

/** What stands between the services may answer too, in its own words. */
function envelopeOf(body: string): object {
  try {
    return JSON.parse(body) as object;
  } catch (err) {
    throw new AppError('service_unavailable', { cause: err, headers: { 'retry-after': '1' } });
  }
}

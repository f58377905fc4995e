import { AppError } from '@nightshift/contracts';
import { cleanJson, isNestedDeeper } from '@nightshift/std';

/** What may stand for a NUL or a lone surrogate; raw ones are not JSON, or not UTF-8. */
const UNCLEAN = /\\u(?:0000|d[89a-f])/i;

/**
 * A request's body, or undefined for an empty one: official clients send a JSON content type with an empty body on cancel.
 * Its texts are such as may be stored. What is no JSON, or nested more than `levelsMax` levels deep, is `invalid_request`.
 */
export function parseBody(body: Buffer, levelsMax: number): unknown {
  if (body.length === 0) return undefined;
  // Some thousand levels overflow the stack of whatever goes through them, and a million take seconds to be gone through.
  if (isNestedDeeper(body, levelsMax)) throw new AppError('invalid_request', { message: `The request body is nested more than ${levelsMax} levels deep.` });
  const text = body.toString('utf8');
  const value = parse(text);
  return UNCLEAN.test(text) ? cleanJson(value, levelsMax) : value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    throw new AppError('invalid_request', { message: 'The request body is not valid JSON.', cause: err });
  }
}

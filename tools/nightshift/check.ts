/** One thing that was looked at. `advice` says what to do when it is not well. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'fail';
  readonly detail: string;
  readonly advice?: string;
}

export function ok(name: string, detail: string): Check {
  return { name, state: 'ok', detail };
}

export function fail(name: string, detail: string, advice: string): Check {
  return { name, state: 'fail', detail, advice };
}

/** `fail` with this advice if `isBad`, else `ok`. */
export function judge(name: string, isBad: boolean, detail: string, advice: string): Check {
  return isBad ? fail(name, detail, advice) : ok(name, detail);
}

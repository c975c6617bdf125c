// What every Node client here uses: claims that print PASS or FAIL, and what the runner hands over.
import { readFileSync } from 'node:fs';

const json = (name) => JSON.parse(readFileSync(process.env[name], 'utf8'));
export const DEMO = json('DEMO');
export const REGISTERED = json('REGISTERED');
export const EHR = process.env.EHR;

let failed = 0;

/** One line a claim; the detail is shown when it does not hold. */
export function claim(text, holds, detail = '') {
  if (holds) console.log(`PASS ${text}`);
  else {
    failed += 1;
    const said = typeof detail === 'string' ? detail : JSON.stringify(detail);
    console.log(`FAIL ${text}${said ? `: ${String(said).slice(0, 600)}` : ''}`);
  }
  return Boolean(holds);
}

/** The claim that an action does not throw; its value. */
export async function attempt(text, action) {
  try {
    const value = await action();
    claim(text, true);
    return value;
  } catch (error) {
    const cause = error.cause ? ` (${error.cause.message ?? JSON.stringify(error.cause)})` : '';
    claim(text, false, `${error.name}: ${error.code ?? ''} ${error.error ?? ''} ${error.error_description ?? ''} ${error.message}${cause}`);
    return undefined;
  }
}

/** The claim that an action is refused, and by what. */
export async function refused(text, action, fits = () => true) {
  try {
    await action();
    return claim(text, false, 'it was not refused');
  } catch (error) {
    return claim(text, fits(error), `${error.error ?? ''} ${error.code ?? ''} ${error.message} ${JSON.stringify(error.cause ?? '')}`);
  }
}

export function end() {
  process.exitCode = failed ? 1 : 0;
}

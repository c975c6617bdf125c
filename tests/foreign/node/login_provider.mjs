// npm `oidc-provider` as the login of a running house: who comes in and who does not, leavers, and the day when it is down.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { decodeJwt } from 'jose';

import { DEMO, REGISTERED, attempt, claim, end } from './claims.mjs';
import { Browser, SCOPE, bascule, becomes, behind, closed, down, issuer, people, person, read, tokensOf, up, wait } from './oidc_house.mjs';

const patientApp = (browser) => tokensOf(browser, 'public-app', REGISTERED.callback, SCOPE);
const chart = (browser) => tokensOf(browser, 'chart', REGISTERED.callback, 'openid fhirUser user/*.rs');
const atTheDoor = () => new Browser().walk(`${DEMO.issuer}/oauth/federate?provider=hospital`, 'nowhere').catch((error) => error);

/** What the dry run says of somebody: the code of its end, and its words. */
function explained(claims) {
  const file = `${process.env.FOREIGN}/claims.json`;
  writeFileSync(file, JSON.stringify(claims));
  try {
    return [0, bascule('user', 'explain', file)];
  } catch (error) {
    return [error.status, JSON.parse(error.stdout)];
  }
}

try {
  await behind(undefined, people);
  const browser = new Browser();
  const tokens = await attempt('login: a person of the provider gets an app\'s tokens', () => patientApp(browser));
  claim('login: the patient is the one of the assured claim', tokens?.patient === 'p0001', tokens);
  claim('login: and reads the own record', (await read(tokens?.access_token)).status === 200);
  claim('login: and no other', (await read(tokens?.access_token, '/Patient/p0002')).status === 403);
  const user = tokens && decodeJwt(tokens.id_token).sub;
  claim('login: the id_token is of the bridge, about its own user', user && user !== person.sub, user);

  const { groups, patient_id: patient, preferred_username: login, ...nameless } = person;
  for (const [title, claims] of [
    ['whom no group stands for', { ...person, groups: ['g-strangers'] }],
    ['of whom no group is said', { ...nameless, patient_id: patient, preferred_username: login }],
    ['whose groups are no list of words', { ...person, groups: { 'g-people': true } }],
    ['who has no login', { ...nameless, groups, patient_id: patient }],
  ]) {
    becomes(claims);
    const refused = await atTheDoor();
    claim(`missing: ${title} is refused`, refused.status === 403, String(refused));
    const [code, said] = explained(claims);
    claim('missing: and the dry run says so too', code === 1 && said.in === false && said.because, said);
  }
  becomes({ ...person, sub: 'person-2', preferred_username: 'another@login.example', patient_id: undefined });
  const unlinked = await patientApp(new Browser()).then(() => 'tokens', (error) => error.message);
  claim('missing: who has no patient is let in and linked to nobody', unlinked.includes('access_denied'), unlinked);
  becomes({ ...person, sub: 'person-3', preferred_username: 'amelie' });
  const taken = await atTheDoor();
  claim('the login of a local account is not taken over', taken.status === 403, String(taken));
  becomes({ ...person });
  const [code, said] = explained(person);
  claim('dry run: of who comes in', code === 0 && said.in && said.roles.includes('patient') && said.patients.includes('p0001 at ehr'), said);

  // An administrator disables the person here.
  bascule('user', 'disable', person.preferred_username);
  claim('disabled here: the token is worth nothing on the next request', (await read(tokens?.access_token)).status === 401);
  claim('disabled here: and the provider\'s word does not let them in', (await atTheDoor()).status === 403);
  bascule('user', 'enable', person.preferred_username);

  // The provider ends the session: logging out there, by its own page.
  const second = new Browser();
  const renewed = await attempt('let in again: new tokens', () => patientApp(second));
  claim('before the logout the token works', (await read(renewed?.access_token)).status === 200);
  await second.walk(`${issuer}/session/end`, 'nowhere').catch(() => {});
  await wait(1500);
  claim('back-channel logout: the token is worth nothing on the next request', (await read(renewed?.access_token)).status === 401);
  const after = await fetch(`${DEMO.issuer}/oauth/token`, { method: 'POST', body: new URLSearchParams({
    grant_type: 'refresh_token', refresh_token: renewed?.refresh_token ?? '', client_id: 'public-app' }) });
  claim('back-channel logout: and refreshes nothing', after.status === 400, String(after.status));

  const again = await attempt('login: and in again', () => patientApp(new Browser()));
  becomes(undefined);
  let status = 0;
  for (let tries = 0; tries < 30 && status !== 401; tries += 1) {
    await wait(1000);
    status = (await read(again?.access_token)).status;
  }
  claim('leaver: gone at the provider, gone here', status === 401, String(status));
  becomes({ ...person });

  // The provider is down. Who is in stays in; the sealed account opens with the house's own form, and is seen.
  const stays = await attempt('down: somebody is in', () => patientApp(new Browser()));
  const sealed = bascule('emergency', 'seal', 'sealed-1', '--role', 'physician');
  await down();
  const nobody = await atTheDoor();
  claim('down: nobody comes in by the provider', nobody.status === 502 || nobody.message === 'fetch failed', String(nobody));
  const secret = sealed.password ?? sealed.secret;
  const inNeed = new Browser({ name: 'sealed-1', password: secret });
  const opened = await attempt('down: a sealed account signs in without it', () => chart(inNeed));
  const asked = await read(opened?.access_token);
  const page = (await asked.text()).match(/open (https:[^\s"]+)/)?.[1];
  claim('down: it is asked why, of a patient whom nobody related to it', asked.status === 403 && page, String(asked.status));
  const reason = page && await inNeed.once(page);
  const chartRead = await read(opened?.access_token);
  claim('down: one button is the answer, and the chart is open', chartRead.status === 200, `${reason?.status} ${chartRead.status} ${await chartRead.text()}`);
  const wrong = await chart(new Browser({ name: 'sealed-1', password: 'guessed' })).then(() => 'in', (error) => error.message);
  claim('down: a guess does not open it', wrong !== 'in' && !wrong.includes('circle'), wrong);
  const alarms = bascule('alert', 'list');
  claim('down: its opening is an alarm', alarms.some((one) => JSON.stringify(one).includes('sealed-account-opened')), alarms);
  await wait(4000);
  claim('down: a provider that does not answer ends nothing', (await read(stays?.access_token)).status === 200);
  await up();
  claim('up again: the provider lets in as before', (await attempt('up again: tokens', () => patientApp(new Browser())))?.patient === 'p0001');
} finally {
  await closed();
}
end();

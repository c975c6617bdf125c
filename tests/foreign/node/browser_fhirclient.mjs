// npm `fhirclient` in Chromium: an app on another origin, standalone and launched from a chart, by cross-origin requests.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

import { DEMO, REGISTERED, attempt, claim, end } from './claims.mjs';
import { walk } from './person.mjs';

const library = readFileSync(new URL('./node_modules/fhirclient/build/fhir-client.js', import.meta.url));
const settings = { clientId: 'browser-app', redirectUri: 'app.html', scope: 'openid fhirUser launch offline_access patient/*.rs' };
const alone = { ...settings, iss: DEMO.fhir, scope: settings.scope.replace('launch', 'launch/patient') };
const page = (script) => `<!doctype html><html lang="en"><title>App</title><script src="/fhir-client.js"></script><script>${script}</script></html>`;
const pages = {
  '/fhir-client.js': library,
  '/standalone.html': page(`FHIR.oauth2.authorize(${JSON.stringify(alone)})`),
  '/launch.html': page(`FHIR.oauth2.authorize(${JSON.stringify(settings)})`),
  '/app.html': page(`FHIR.oauth2.ready().then(async (client) => {
    window.client = client;
    const patient = await client.patient.read();
    const labs = await client.request('Observation?category=laboratory&_count=5&patient=' + client.patient.id, { flat: true, pageLimit: 2 });
    const user = await client.request(client.user.fhirUser);
    window.said = { patient: patient.id, labs: labs.length, user: user.resourceType + '/' + user.id, encounter: client.encounter.id,
      banner: client.state.tokenResponse.need_patient_banner, style: client.state.tokenResponse.smart_style_url, scope: client.state.tokenResponse.scope };
  }).catch((error) => { window.said = { error: String(error.message || error) }; })`),
};
const origin = new URL(REGISTERED.app);
const server = createServer((request, response) => {
  const body = pages[request.url.split('?')[0]];
  response.writeHead(body ? 200 : 404, { 'content-type': request.url.includes('.js') ? 'text/javascript' : 'text/html' });
  response.end(body ?? '');
});
await new Promise((resolve, reject) => server.listen(origin.port, origin.hostname, resolve).on('error', reject));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });

/** Signs in and consents, as the pages ask; what the app then says. */
async function use(start, login) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const tab = await context.newPage();
  const errors = [];
  tab.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await tab.goto(start);
  for (let step = 0; step < 6; step += 1) {
    await tab.waitForLoadState('load');
    await tab.waitForURL((url) => url.origin === new URL(DEMO.issuer).origin || url.pathname === '/app.html', { timeout: 15000 });
    if (new URL(tab.url()).origin === origin.origin) break;
    if (await tab.locator('#password').count()) {
      await tab.fill('#login', login);
      await tab.fill('#password', DEMO.users[login].password);
      await Promise.all([tab.waitForNavigation(), tab.click('button[type=submit]')]);
      if (await tab.getByText('Too many tries').count()) {
        await tab.waitForTimeout(Number((await tab.content()).match(/in (\d+) seconds/)?.[1] ?? 10) * 1000);
        await tab.goto(start);
      }
    } else {
      await Promise.all([tab.waitForNavigation(), tab.locator('button[value=allow], button[type=submit]').first().click()]);
    }
  }
  await tab.waitForFunction(() => window.said, undefined, { timeout: 20000 });
  return { tab, context, said: await tab.evaluate(() => window.said), errors };
}

await attempt('standalone: signs in, consents, comes back', async () => {
  const { tab, context, said, errors } = await use(`${origin.origin}/standalone.html`, 'amelie');
  claim('standalone: reads the patient in context across origins', said.patient === 'p0001', { said, errors });
  claim('standalone: searches over pages', said.labs > 0, said);
  claim('standalone: reads its fhirUser', said.user === 'Patient/p0001', said);
  const refreshed = await tab.evaluate(async () => {
    const before = window.client.state.tokenResponse.refresh_token;
    await window.client.refresh();
    return { another: before !== window.client.state.tokenResponse.refresh_token, id: (await window.client.patient.read()).id };
  }).catch((error) => ({ error: String(error) }));
  claim('standalone: refreshes without naming itself, and reads on', refreshed.another && refreshed.id === 'p0001', refreshed);
  const refused = await tab.evaluate(() => window.client.request('Patient/p0002').then(() => 'served', (error) => error.status ?? String(error)));
  claim('standalone: another patient is a 403 or 404 that the page can read', refused === 403 || refused === 404, refused);
  await context.close();
});

// A chart puts a launch ready: its own token, then `POST /oauth/launch`.
await attempt('launch: a chart puts a context ready, the app takes it up', async () => {
  const verifier = 'v'.repeat(64);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const challenge = Buffer.from(digest).toString('base64url');
  const asked = new URLSearchParams({ response_type: 'code', client_id: 'chart', redirect_uri: REGISTERED.callback, aud: DEMO.fhir, state: 's',
    scope: 'openid fhirUser smart/orchestrate_launch user/*.rs', code_challenge: challenge, code_challenge_method: 'S256' });
  const back = await walk('dr.halvorsen', `${DEMO.issuer}/oauth/authorize?${asked}`, REGISTERED.callback);
  const form = new URLSearchParams({ grant_type: 'authorization_code', client_id: 'chart', code: back.searchParams.get('code'),
    redirect_uri: REGISTERED.callback, code_verifier: verifier });
  const token = await (await fetch(`${DEMO.issuer}/oauth/token`, { method: 'POST', body: form })).json();
  const encounters = await (await fetch(`${DEMO.fhir}/Encounter?patient=p0001&_count=1`, { headers: { authorization: `Bearer ${token.access_token}` } })).json();
  const encounter = encounters.entry?.[0]?.resource?.id ?? 'none';
  const made = await fetch(`${DEMO.issuer}/oauth/launch`, { method: 'POST',
    headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'browser-app', patient: 'p0001', encounter, need_patient_banner: true }) });
  const launch = await made.json();
  claim('launch: the chart is given an address to open', made.status === 201 && launch.launch_uri?.startsWith(`${origin.origin}/launch.html?`), launch);
  const { context, said, errors } = await use(launch.launch_uri, 'dr.halvorsen');
  claim('launch: the app is told the patient of the chart', said.patient === 'p0001', { said, errors });
  claim('launch: and the encounter, the banner and the style', said.encounter === encounter && said.banner === true && Boolean(said.style), said);
  claim('launch: the user is the physician', said.user === 'Practitioner/halvorsen', said);
  await context.close();
});

// A page of an origin that nobody registered.
const stranger = createServer((_, response) => response.end('<!doctype html><title>x</title>'));
await new Promise((resolve) => stranger.listen(0, '127.0.0.1', resolve));
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const tab = await context.newPage();
await tab.goto(`http://127.0.0.1:${stranger.address().port}/`);
const read = await tab.evaluate(async ([fhir, issuer]) => {
  const kind = (address, options) => fetch(address, options).then((answer) => answer.status, () => 'unreadable');
  return [await kind(`${fhir}/.well-known/smart-configuration`), await kind(`${issuer}/oauth/token`, { method: 'POST', body: new URLSearchParams() }),
    await kind(`${fhir}/Patient`, { headers: { authorization: 'Bearer x' } })];
}, [DEMO.fhir, DEMO.issuer]);
claim('a stranger\'s page reads the discovery document only', read[0] === 200 && read[1] === 'unreadable' && read[2] === 'unreadable', read);

await browser.close();
server.close();
stranger.close();
end();

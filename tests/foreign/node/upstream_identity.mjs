// As whom the bridge comes to a system behind it that takes only tokens of npm `oidc-provider`, and launches by that server as an
// EHR: `service`, `exchange`, `relay`, `launch`, the acting user; and what the system and the bridge refuse.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';

import { DEMO, REGISTERED, attempt, claim, end } from './claims.mjs';
import { Browser, SCOPE, asClient, behind, closed, given, guard, issuer, people, read, seen, smart, subject, tokensOf } from './oidc_house.mjs';

try {
  await behind(undefined, people);
  const tokens = await attempt('a person of the provider gets an app\'s tokens', () => tokensOf(new Browser(), 'public-app', REGISTERED.callback, SCOPE));
  const user = tokens && decodeJwt(tokens.id_token).sub;
  const token = tokens?.access_token;

  await behind(`{ service = { ${asClient}, scope = "system/*.cruds" } }`, people);
  let before = seen.length;
  const served = await read(token);
  claim('service: read with the bridge\'s own token', served.status === 200, `${served.status} ${await served.text()}`);
  const mine = () => seen.slice(before).filter((one) => one.url.includes('/Patient/p0001'));
  claim('service: it is of the bridge as a client', mine()[0]?.claims?.client_id === 'bascule-service', mine());
  const bridge = createRemoteJWKSet(new URL(`${DEMO.issuer}/oauth/jwks`));
  const acting = await attempt('service: the acting user is signed, verified by jose', () => jwtVerify(mine()[0].acting, bridge, { issuer: DEMO.issuer, audience: guard }));
  claim('service: and is the person', acting && acting.payload.sub === user && acting.payload.client_id === 'public-app', acting?.payload);
  const forged = await fetch(`${DEMO.fhir}/Patient/p0001`, { headers: { authorization: `Bearer ${token}`, 'x-acting-user': 'forged' } });
  claim('service: a header of that name from outside does not pass', forged.status === 200 && mine().every((one) => one.acting !== 'forged'), mine());
  const feeds = seen.slice(before).filter((one) => one.url.includes('Consent') || one.url.includes('CareTeam'));
  claim('service: what the bridge reads for itself names nobody', feeds.every((one) => one.claims && one.acting === undefined), feeds);

  await behind(`{ exchange = { ${asClient}, audience = "ehr" } }`, people);
  before = seen.length;
  claim('exchange: read with the user\'s token', (await read(token)).status === 200, mine());
  claim('exchange: it is the user\'s', mine()[0]?.claims?.sub === user && subject?.sub === user, mine());

  await behind(`{ service = { ${asClient.replace('bascule-service', 'bascule-stranger')} } }`, people);
  before = seen.length;
  const refused = await read(token);
  claim('refused by the provider: nothing is sent, and 502 is said', refused.status === 502 && mine().length === 0, `${refused.status}`);

  await behind('{ bearer = "file:login-secret" }', people);
  before = seen.length;
  claim('the system takes no other credential', (await read(token)).status === 502 && seen.slice(before).every((one) => one.refused), seen.slice(before));

  // Tokens of the provider itself, which are shown to the system as they came.
  const issuers = `
[[api.issuer]]
issuer = "${issuer}"
audience = ["${guard}"]
jwks = "${issuer}/jwks"
client_claim = "azp"
clients = { "their-portal" = "curve-backend" }
scopes = { "read" = "system/Patient.rs system/Appointment.rs" }
users = "none"
`;
  await behind(`{ relay = { issuer = "${issuer}" } }`, people, issuers);
  const theirs = await given(guard, { sub: 'their-portal', azp: 'their-portal', scope: 'read', jti: 'of-theirs' });
  before = seen.length;
  const relayed = await read(theirs, '/Appointment?_count=1');
  claim('relay: their token opens what it is mapped to', relayed.status === 200, `${relayed.status} ${await relayed.text()} ${JSON.stringify(seen.slice(before))}`);
  claim('relay: and goes on as it is', seen.slice(before).some((one) => one.claims?.jti === 'of-theirs'), seen.slice(before));
  claim('relay: no more than that', (await read(theirs, '/Observation?_count=1')).status === 403);
  for (const [title, audience, claims] of [
    ['for another system', 'https://elsewhere.example/fhir', { azp: 'their-portal', scope: 'read' }],
    ['of a client that is not mapped', guard, { azp: 'stranger', scope: 'read' }],
    ['without its client', guard, { scope: 'read' }],
  ]) {
    const status = (await read(await given(audience, { sub: 'x', ...claims }), '/Appointment?_count=1')).status;
    claim(`relay: a token ${title} opens nothing`, status === 401, String(status));
  }
  const scopeless = (await read(await given(guard, { azp: 'their-portal', scope: 'write' }), '/Appointment?_count=1')).status;
  claim('relay: a scope that is not mapped is worth nothing', scopeless === 401 || scopeless === 403, String(scopeless));
  before = seen.length;
  const ours = await read(token);
  claim('relay: a token of the bridge is never shown there', ours.status === 403 && seen.length === before, `${ours.status} ${await ours.text()}`);

  await behind('{ launch = "hospital" }', smart);
  before = seen.length;
  claim('launch: a token without a launch reads nothing', (await read(token)).status !== 200 && mine().length === 0, mine());
  const clinician = new Browser();
  const app = await attempt('launch: the EHR\'s launch leads to the app', () =>
    clinician.walk(`${DEMO.issuer}/oauth/ehr-launch/browser-app?${new URLSearchParams({ iss: guard, launch: 'of-the-ehr' })}`, 'http://127.0.0.1:8447/'));
  claim('launch: as a launch of the bridge', app?.searchParams.get('iss') === DEMO.fhir && app.searchParams.get('launch') !== 'of-the-ehr', app?.href);
  const launch = app?.searchParams.get('launch');
  const asApp = (browser, client = 'browser-app', redirect = 'http://127.0.0.1:8447/app.html') =>
    tokensOf(browser, client, redirect, 'openid fhirUser launch patient/*.rs', launch);
  const stolen = await asApp(new Browser(), 'public-app', REGISTERED.callback).then(() => 'tokens', (error) => error.message);
  claim('launch: another app cannot use it', stolen.includes('invalid_request'), stolen);
  const launched = await attempt('launch: the app gets its tokens', () => asApp(clinician));
  claim('launch: with the EHR\'s patient', launched?.patient === 'p0001' && launched.need_patient_banner === true, launched);
  before = seen.length;
  claim('launch: and reads with the EHR\'s own token', (await read(launched?.access_token)).status === 200, mine());
  claim('launch: of that person', mine()[0]?.claims?.sub === 'person-1' && mine()[0].claims.client_id === 'bascule', mine());
  for (const [title, query] of [
    ['of an EHR that nobody knows', { iss: 'https://evil.example/fhir', launch: 'x' }],
    ['without `launch`', { iss: guard }],
    ['without `iss`', { launch: 'x' }],
  ]) {
    const answer = await fetch(`${DEMO.issuer}/oauth/ehr-launch/browser-app?${new URLSearchParams(query)}`, { redirect: 'manual' });
    claim(`launch: ${title} is refused`, answer.status === 400, String(answer.status));
  }
  const unknown = await fetch(`${DEMO.issuer}/oauth/ehr-launch/nobody?${new URLSearchParams({ iss: guard, launch: 'x' })}`, { redirect: 'manual' });
  claim('launch: of an app that nobody knows is refused', unknown.status === 400, String(unknown.status));
} finally {
  await closed();
}
end();

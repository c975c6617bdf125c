// npm `oidc-provider` as the hospital's login, as the authorization server of the system behind the bridge, and as the SMART
// server that launches apps through it. In front of the embedded EHR stands a guard that takes only its tokens.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { SignJWT, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, decodeJwt } from 'jose';
import Provider from 'oidc-provider';

import { DEMO, EHR, REGISTERED, attempt, claim, end } from './claims.mjs';

const FOREIGN = process.env.FOREIGN;
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const listen = (handler) => new Promise((resolve) => {
  const server = createServer(handler).listen(0, '127.0.0.1', () => resolve([server, server.address().port]));
});

// Keys: the provider's, and the bridge's own as a client of it.
const signing = await generateKeyPair('RS256', { extractable: true });
const providerJwk = { ...(await exportJWK(signing.privateKey)), kid: 'p1', use: 'sig', alg: 'RS256' };
execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384', '-out', `${FOREIGN}/demo/upstream.pem`], { stdio: 'ignore' });
writeFileSync(`${FOREIGN}/demo/login-secret`, 'a-secret-between-the-bridge-and-its-provider');
const bridgeJwk = createPublicKey(readFileSync(`${FOREIGN}/demo/upstream.pem`)).export({ format: 'jwk' });

// The guard: what the EHR's vendor would put there.
const seen = [];
let issuer;
let keys;
const [guardServer, guardPort] = await listen(async (request, response) => {
  const answer = (status, body, type = 'application/fhir+json') => { response.writeHead(status, { 'content-type': type }); response.end(body); };
  if (request.url.endsWith('/.well-known/smart-configuration')) {
    return answer(200, JSON.stringify({ authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` }), 'application/json');
  }
  try {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    const { payload } = await jwtVerify(token, keys, { issuer, audience: guard });
    seen.push({ url: request.url, claims: payload, acting: request.headers['x-acting-user'] });
  } catch (error) {
    seen.push({ url: request.url, refused: error.message });
    return answer(401, '{}');
  }
  const behind = await fetch(EHR + request.url.replace(/^\/fhir/, ''), { headers: { accept: 'application/fhir+json' } });
  answer(behind.status, await behind.text());
});
const guard = `http://127.0.0.1:${guardPort}/fhir`;

const person = { sub: 'person-1', name: 'Amelie Laurent', preferred_username: 'amelie@login.example', groups: ['g-people'], patient_id: 'p0001', acr: 'urn:ial2', fhirUser: `${guard}/Patient/p0001` };
let account = { ...person };
const [server, port] = await listen((request, response) => handler(request, response));
issuer = `http://127.0.0.1:${port}`;
keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
const provider = new Provider(issuer, {
  clients: [
    { client_id: 'bascule', client_secret: 'a-secret-between-the-bridge-and-its-provider', redirect_uris: [`${DEMO.issuer}/oauth/federated`],
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
      backchannel_logout_uri: `${DEMO.issuer}/oauth/backchannel-logout`, backchannel_logout_session_required: true },
    { client_id: 'bascule-service', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES384',
      jwks: { keys: [{ ...bridgeJwk, use: 'sig' }] }, grant_types: ['client_credentials', EXCHANGE], redirect_uris: [], response_types: [] },
  ],
  jwks: { keys: [providerJwk] },
  cookies: { keys: ['of-a-test'] },
  claims: { openid: ['sub', 'groups', 'patient_id', 'fhirUser'], profile: ['name', 'preferred_username'], acr: null },
  scopes: ['openid', 'profile', 'offline_access', 'fhirUser', 'launch', 'launch/patient', 'online_access'],
  conformIdTokenClaims: false,
  findAccount: (_, id) => (account ? { accountId: id, claims: () => ({ ...account, sub: account.sub }) } : undefined),
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  features: {
    devInteractions: { enabled: true }, clientCredentials: { enabled: true }, backchannelLogout: { enabled: true }, revocation: { enabled: true },
    resourceIndicators: {
      enabled: true, defaultResource: () => guard, useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'system/*.cruds user/*.rs patient/*.rs', audience: guard, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'RS256' } } }),
    },
  },
});
let subject;
provider.registerGrantType(EXCHANGE, async (ctx) => {
  // Whoever exchanges shows a statement that the bridge signed, for this endpoint.
  const bridge = createRemoteJWKSet(new URL(`${DEMO.issuer}/oauth/jwks`));
  const { payload } = await jwtVerify(ctx.oidc.params.subject_token, bridge, { issuer: DEMO.issuer, audience: `${issuer}/token` });
  subject = payload;
  const token = await new SignJWT({ sub: payload.sub }).setProtectedHeader({ alg: 'RS256', kid: 'p1' })
    .setIssuer(issuer).setAudience(guard).setIssuedAt().setExpirationTime('2m').sign(signing.privateKey);
  ctx.body = { access_token: token, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', token_type: 'Bearer', expires_in: 120 };
}, ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope']);
provider.use(async (ctx, next) => {
  await next();
  // A SMART server says whose record it is.
  if (ctx.path === '/token' && ctx.body?.id_token) Object.assign(ctx.body, { patient: 'p0001', need_patient_banner: true });
});
const handler = provider.callback();

// The demo's configuration, with more.
const config = `${FOREIGN}/demo/bascule.toml`;
const demoText = readFileSync(config, 'utf8');
const login = `
[[provider]]
name = "hospital"
title = "Hospital login"
issuer = "${issuer}"
client_id = "bascule"
secret = "file:login-secret"
`;
const people = `${login}scope = "openid profile offline_access"
recheck_seconds = 1
[provider.claims]
role = "groups"
patient = { claim = "patient_id", api = "ehr", assured = { groups = ["g-people"] } }
[provider.roles]
"g-people" = "patient"
`;
const smart = `${login}scope = "openid profile fhirUser launch/patient online_access patient/*.rs"
ehr = { base = "${guard}", api = "ehr" }
[provider.claims]
role = "fhirUser"
patient = { claim = "fhirUser", base = "${guard}", api = "ehr", assured = { fhirUser = [] } }
[provider.roles]
"Patient" = "patient"
`;
const asClient = `token_url = "${issuer}/token", client_id = "bascule-service", key = "file:upstream.pem"`;
async function behind(credential, more) {
  const acting = credential ? ', acting_user = { header = "X-Acting-User" }' : '';
  const upstream = credential ? `upstream = { url = "${guard}", credential = ${credential}${acting} }` : undefined;
  writeFileSync(config, demoText.replace(/^upstream = .*$/m, (line) => upstream ?? line) + more);
  const checked = execFileSync(process.env.BASCULE, ['check', '--config', config], { encoding: 'utf8' });
  claim(`bascule check: ${credential ?? 'the demo\'s own credential'}`, checked.includes('is sound'), checked);
  process.kill(Number(process.env.DEMO_PROCESS), 'SIGHUP');
  await new Promise((resolve) => setTimeout(resolve, 2500));
}

// A browser without JavaScript, at two sites.
const unescaped = (text) => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const attribute = (tag, name) => { const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`)); return found && unescaped(found[1]); };
class Browser {
  cookies = {};
  async walk(address, until) {
    let [target, body] = [new URL(address), undefined];
    for (let page = 0; page < 30; page += 1) {
      const jar = (this.cookies[target.origin] ??= new Map());
      const answer = await fetch(target, { method: body ? 'POST' : 'GET', body, redirect: 'manual', headers: { cookie: [...jar].map((pair) => pair.join('=')).join('; ') } });
      for (const line of answer.headers.getSetCookie()) { const [pair] = line.split(';'); jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)); }
      const location = answer.headers.get('location');
      if (location) {
        [target, body] = [new URL(location, target), undefined];
        if (target.href.startsWith(until)) return target;
        continue;
      }
      const text = await answer.text();
      const federate = text.match(/href="(\/oauth\/federate\?[^"]*)"/);
      if (federate) { target = new URL(unescaped(federate[1]), target); body = undefined; continue; }
      const form = text.match(/<form\b[^>]*>[\s\S]*?<\/form>/)?.[0];
      if (!form || answer.status >= 400) throw Object.assign(new Error(`${answer.status} at ${target.href.slice(0, 120)}: ${text.replace(/<style[\s\S]*?<\/style>/, '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').slice(0, 300)}`), { status: answer.status });
      body = new URLSearchParams();
      let pressed = false;
      for (const [tag, kind] of form.matchAll(/<(input|button)\b[^>]*>/g)) {
        const [name, type, value] = [attribute(tag, 'name'), attribute(tag, 'type') ?? 'text', attribute(tag, 'value') ?? ''];
        if (!name) continue;
        if (kind === 'button') { if (!pressed) body.append(name, value); pressed = true; }
        else if (type === 'checkbox' || type === 'radio') { if (/\schecked\b/.test(tag)) body.append(name, value || '1'); }
        else body.append(name, type === 'text' ? 'person-1' : type === 'password' ? 'any' : value);
      }
      target = new URL(attribute(form, 'action') ?? target, target);
    }
    throw new Error('the pages go round in a circle');
  }
}
const s256 = (text) => createHash('sha256').update(text).digest('base64url');
async function tokensOf(browser, client, redirect, scope, launch) {
  const verifier = randomBytes(32).toString('base64url');
  const asked = { response_type: 'code', client_id: client, redirect_uri: redirect, scope, aud: DEMO.fhir, state: 's', code_challenge: s256(verifier), code_challenge_method: 'S256', ...(launch ? { launch } : {}) };
  const back = await browser.walk(`${DEMO.issuer}/oauth/authorize?${new URLSearchParams(asked)}`, redirect);
  const body = new URLSearchParams({ grant_type: 'authorization_code', code: back.searchParams.get('code') ?? '', redirect_uri: redirect, client_id: client, code_verifier: verifier });
  const answer = await fetch(`${DEMO.issuer}/oauth/token`, { method: 'POST', body });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${back.search} ${JSON.stringify(said)}`);
  return said;
}
const read = (token, path = '/Patient/p0001') => fetch(DEMO.fhir + path, { headers: { authorization: `Bearer ${token}` } });
const SCOPE = 'openid fhirUser launch/patient offline_access patient/*.rs';

try {
  await behind(undefined, people);
  const browser = new Browser();
  const tokens = await attempt('login: a person of the provider gets an app\'s tokens', () => tokensOf(browser, 'public-app', REGISTERED.callback, SCOPE));
  claim('login: the patient is the one of the assured claim', tokens?.patient === 'p0001', tokens);
  claim('login: and reads the own record', (await read(tokens?.access_token)).status === 200);
  claim('login: and no other', (await read(tokens?.access_token, '/Patient/p0002')).status === 403);
  const user = tokens && decodeJwt(tokens.id_token).sub;

  account.groups = ['g-strangers'];
  const stranger = await new Browser().walk(`${DEMO.issuer}/oauth/federate?provider=hospital`, 'nowhere').catch((error) => error);
  claim('login: whom no group stands for is refused', stranger.status === 403, String(stranger));
  account = { ...person };

  await behind(`{ service = { ${asClient}, scope = "system/*.cruds" } }`, people);
  let before = seen.length;
  claim('service: read with the bridge\'s own token', (await read(tokens?.access_token)).status === 200, seen.slice(before));
  claim('service: it is of the bridge as a client', seen.at(-1)?.claims?.client_id === 'bascule-service', seen.slice(before));
  const bridge = createRemoteJWKSet(new URL(`${DEMO.issuer}/oauth/jwks`));
  const acting = await attempt('service: the acting user is signed, verified by jose', () => jwtVerify(seen.at(-1).acting, bridge, { issuer: DEMO.issuer, audience: guard }));
  claim('service: and is the person', acting?.payload.sub === user, acting?.payload);

  await behind(`{ exchange = { ${asClient}, audience = "ehr" } }`, people);
  before = seen.length;
  claim('exchange: read with the user\'s token', (await read(tokens?.access_token)).status === 200, seen.slice(before));
  claim('exchange: it is the user\'s', seen.at(-1)?.claims?.sub === user && subject?.sub === user, seen.slice(before));

  await behind(`{ service = { ${asClient.replace('bascule-service', 'bascule-stranger')} } }`, people);
  before = seen.length;
  const refused = await read(tokens?.access_token);
  claim('refused by the provider: nothing is sent, and 502 is said', refused.status === 502 && seen.length === before, `${refused.status}`);

  await behind('{ bearer = "file:login-secret" }', people);
  claim('the guard takes no other credential', (await read(tokens?.access_token)).status === 502 && seen.at(-1).refused, seen.at(-1));

  // The provider ends the session: logging out there, by its own page.
  await behind(undefined, people);
  claim('before the logout the token works', (await read(tokens?.access_token)).status === 200);
  await browser.walk(`${issuer}/session/end`, 'nowhere').catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 1500));
  claim('back-channel logout: it is worth nothing on the next request', (await read(tokens?.access_token)).status === 401);

  const again = await attempt('login: and in again', () => tokensOf(new Browser(), 'public-app', REGISTERED.callback, SCOPE));
  account = undefined;
  let status = 0;
  for (let tries = 0; tries < 30 && status !== 401; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    status = (await read(again?.access_token)).status;
  }
  claim('leaver: gone at the provider, gone here', status === 401, String(status));
  account = { ...person };

  await behind('{ launch = "hospital" }', smart);
  const clinician = new Browser();
  const app = await attempt('launch: the EHR\'s launch leads to the app', () =>
    clinician.walk(`${DEMO.issuer}/oauth/ehr-launch/browser-app?${new URLSearchParams({ iss: guard, launch: 'of-the-ehr' })}`, 'http://127.0.0.1:8447/'));
  claim('launch: as a launch of the bridge', app?.searchParams.get('iss') === DEMO.fhir && app.searchParams.get('launch') !== 'of-the-ehr', app?.href);
  const launched = await attempt('launch: the app gets its tokens', () =>
    tokensOf(clinician, 'browser-app', 'http://127.0.0.1:8447/app.html', 'openid fhirUser launch patient/*.rs', app?.searchParams.get('launch')));
  claim('launch: with the EHR\'s patient', launched?.patient === 'p0001' && launched.need_patient_banner === true, launched);
  before = seen.length;
  claim('launch: and reads with the EHR\'s own token', (await read(launched?.access_token)).status === 200, seen.slice(before));
  claim('launch: of that person', seen.at(-1)?.claims?.sub === 'person-1' && seen.at(-1).claims.client_id === 'bascule', seen.slice(before));
  const unlaunched = await fetch(`${DEMO.issuer}/oauth/ehr-launch/browser-app?${new URLSearchParams({ iss: 'https://evil.example/fhir', launch: 'x' })}`);
  claim('launch: of an EHR that nobody knows is refused', unlaunched.status === 400, String(unlaunched.status));
} finally {
  writeFileSync(config, demoText);
  process.kill(Number(process.env.DEMO_PROCESS), 'SIGHUP');
  server.close(); guardServer.close();
  server.closeAllConnections(); guardServer.closeAllConnections();
}
end();

// What the clients about npm `oidc-provider` share: the provider, as the hospital's login, as the authorization server of the system
// behind the bridge and as the SMART server that launches apps through it; a guard in front of the embedded EHR that takes only
// its tokens; the demo's configuration with more; and a browser without JavaScript at two sites.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import { SignJWT, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

import { DEMO, EHR, claim } from './claims.mjs';

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
const bridgeJwks = JSON.parse(execFileSync(process.env.BASCULE, ['client', 'key', `${FOREIGN}/demo/upstream.pem`], { encoding: 'utf8' }));

// The guard: what the EHR's vendor would put there.
export const seen = [];
export let issuer;
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
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { accept, 'content-type': type } = request.headers;
  const behind = await fetch(EHR + request.url.replace(/^\/fhir/, ''), {
    method: request.method, headers: { ...(accept && { accept }), ...(type && { 'content-type': type }) },
    body: chunks.length ? Buffer.concat(chunks) : undefined,
  });
  answer(behind.status, await behind.text());
});
export const guard = `http://127.0.0.1:${guardPort}/fhir`;

export const person = { sub: 'person-1', name: 'Amelie Laurent', preferred_username: `amelie-${guardPort}@login.example`, groups: ['g-people'], patient_id: 'p0001', acr: 'urn:ial2', fhirUser: `${guard}/Patient/p0001` };
let account = { ...person };
/** Whom the provider knows from now on; nobody without one. */
export const becomes = (claims) => { account = claims; };
const [server, port] = await listen((request, response) => handler(request, response));
issuer = `http://127.0.0.1:${port}`;
keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
const provider = new Provider(issuer, {
  clients: [
    { client_id: 'bascule', client_secret: 'a-secret-between-the-bridge-and-its-provider', redirect_uris: [`${DEMO.issuer}/oauth/federated`],
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
      backchannel_logout_uri: `${DEMO.issuer}/oauth/backchannel-logout`, backchannel_logout_session_required: true },
    { client_id: 'bascule-service', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES384',
      jwks: bridgeJwks, grant_types: ['client_credentials', EXCHANGE], redirect_uris: [], response_types: [] },
  ],
  jwks: { keys: [providerJwk] },
  // Its own guard against loopback addresses would keep it from the bridge.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  enabledJWA: { clientAuthSigningAlgValues: ['ES384'] },
  ttl: { AccessToken: 600, IdToken: 600, RefreshToken: 3600, Interaction: 600, Session: 3600, Grant: 3600 },
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
export let subject;
provider.registerGrantType(EXCHANGE, async (ctx) => {
  // Whoever exchanges shows a statement that the bridge signed, for this endpoint.
  const bridge = createRemoteJWKSet(new URL(`${DEMO.issuer}/oauth/jwks`));
  const { payload } = await jwtVerify(ctx.oidc.params.subject_token, bridge, { issuer: DEMO.issuer, audience: `${issuer}/token` });
  subject = payload;
  const token = await new SignJWT({ sub: payload.sub }).setProtectedHeader({ alg: 'RS256', kid: 'p1' })
    .setIssuer(issuer).setAudience(guard).setIssuedAt().setExpirationTime('2m').sign(signing.privateKey);
  ctx.body = { access_token: token, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', token_type: 'Bearer', expires_in: 120 };
}, ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope']);
for (const event of ['backchannel.error', 'server_error', 'grant.error', 'authorization.error']) {
  provider.on(event, (_, error) => console.log(`${event}: ${error?.message} ${error?.error_description ?? ''} ${error?.cause?.message ?? ''}`));
}
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
export const people = `${login}scope = "openid profile offline_access"
recheck_seconds = 1
[provider.claims]
role = "groups"
patient = { claim = "patient_id", api = "ehr", assured = { groups = ["g-people"] } }
[provider.roles]
"g-people" = "patient"
`;
export const smart = `${login}scope = "openid profile fhirUser launch/patient online_access patient/*.rs"
ehr = { base = "${guard}", api = "ehr" }
[provider.claims]
role = "fhirUser"
patient = { claim = "fhirUser", base = "${guard}", api = "ehr", assured = { fhirUser = [] } }
[provider.roles]
"Patient" = "patient"
`;
export const asClient = `token_url = "${issuer}/token", client_id = "bascule-service", key = "file:upstream.pem"`;
/** The EHR's API with this credential, and more sections; `inside` are lines of the API itself. */
export async function behind(credential, more, inside = '') {
  const acting = credential ? ', acting_user = { header = "X-Acting-User" }' : '';
  const upstream = credential ? `upstream = { url = "${guard}", credential = ${credential}${acting} }` : undefined;
  // Tokens of users are shown to the system behind only for users: then the bridge reads nothing for itself.
  const ofUsers = /^\{ (exchange|relay|launch) /.test(credential ?? '');
  const text = demoText.replace(/^upstream = .*$/m, (line) => `${upstream ?? line}${inside}`);
  writeFileSync(config, (ofUsers ? text.replace(/^(consents|relations) = .*\n/gm, '') : text) + more);
  const checked = execFileSync(process.env.BASCULE, ['check', '--config', config], { encoding: 'utf8' });
  claim(`bascule check: ${credential ?? 'the demo\'s own credential'}`, checked.includes('is sound'), checked);
  process.kill(Number(process.env.DEMO_PROCESS), 'SIGHUP');
  await new Promise((resolve) => setTimeout(resolve, 2500));
}

// A browser without JavaScript, at two sites.
const unescaped = (text) => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const attribute = (tag, name) => { const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`)); return found && unescaped(found[1]); };
/** Without a name and password, whoever it is signs in at the provider. */
export class Browser {
  cookies = {};
  constructor(login) { this.login = login; }
  fill(name, type, value) {
    if (type === 'text') return this.login?.name ?? account?.sub;
    return type === 'password' ? this.login?.password ?? 'any' : value;
  }
  async ask(target, body) {
    const jar = (this.cookies[target.origin] ??= new Map());
    const answer = await fetch(target, { method: body ? 'POST' : 'GET', body, redirect: 'manual', headers: { cookie: [...jar].map((pair) => pair.join('=')).join('; ') } });
    for (const line of answer.headers.getSetCookie()) { const [pair] = line.split(';'); jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)); }
    return answer;
  }
  /** The fields of a page's first form, with its first button pressed, and where it goes. */
  filled(text, from) {
    const form = text.match(/<form\b[^>]*>[\s\S]*?<\/form>/)?.[0];
    if (!form) return undefined;
    const body = new URLSearchParams();
    let action = attribute(form, 'action');
    let pressed = false;
    const press = (tag) => {
      if (!pressed) body.append(attribute(tag, 'name'), attribute(tag, 'value') ?? '');
      action = pressed ? action : attribute(tag, 'formaction') ?? action;
      pressed = true;
    };
    for (const [tag, kind] of form.matchAll(/<(input|button)\b[^>]*>/g)) {
      const [name, type, value] = [attribute(tag, 'name'), attribute(tag, 'type') ?? 'text', attribute(tag, 'value') ?? ''];
      if (!name) continue;
      if (kind === 'button') press(tag);
      else if (type !== 'checkbox' && type !== 'radio') body.append(name, this.fill(name, type, value));
      else if (/\schecked\b/.test(tag)) body.append(name, value || '1');
    }
    // The provider's own logout page has its button outside the form.
    const outside = text.match(/<button\b[^>]*\sform="[^>]*>/)?.[0];
    if (outside && !pressed) press(outside);
    return [new URL(action ?? from, from), body];
  }
  /** Opens a page and answers its form once. */
  async once(address) {
    const page = await this.ask(new URL(address));
    return this.ask(...this.filled(await page.text(), address));
  }
  async walk(address, until) {
    let [target, body] = [new URL(address), undefined];
    for (let page = 0; page < 30; page += 1) {
      const answer = await this.ask(target, body);
      const location = answer.headers.get('location');
      if (location) {
        [target, body] = [new URL(location, target), undefined];
        if (target.href.startsWith(until)) return target;
        continue;
      }
      const text = await answer.text();
      const federate = text.match(/href="(\/oauth\/federate\?[^"]*)"/);
      if (federate && !this.login) { target = new URL(unescaped(federate[1]), target); body = undefined; continue; }
      const next = answer.status < 400 && this.filled(text, target);
      if (!next) throw Object.assign(new Error(`${answer.status} at ${target.href.slice(0, 120)}: ${text.replace(/<style[\s\S]*?<\/style>/, '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').slice(0, 300)}`), { status: answer.status });
      [target, body] = next;
    }
    throw new Error('the pages go round in a circle');
  }
}
const s256 = (text) => createHash('sha256').update(text).digest('base64url');
export async function tokensOf(browser, client, redirect, scope, launch) {
  const verifier = randomBytes(32).toString('base64url');
  const asked = { response_type: 'code', client_id: client, redirect_uri: redirect, scope, aud: DEMO.fhir, state: 's', code_challenge: s256(verifier), code_challenge_method: 'S256', ...(launch ? { launch } : {}) };
  const back = await browser.walk(`${DEMO.issuer}/oauth/authorize?${new URLSearchParams(asked)}`, redirect);
  const body = new URLSearchParams({ grant_type: 'authorization_code', code: back.searchParams.get('code') ?? '', redirect_uri: redirect, client_id: client, code_verifier: verifier });
  const answer = await fetch(`${DEMO.issuer}/oauth/token`, { method: 'POST', body });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${back.search} ${JSON.stringify(said)}`);
  return said;
}
export const read = (token, path = '/Patient/p0001') => fetch(DEMO.fhir + path, { headers: { authorization: `Bearer ${token}` } });
export const SCOPE = 'openid fhirUser launch/patient offline_access patient/*.rs';

export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
/** The provider is gone, and comes back at the same place. */
export const down = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
export const up = () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
/** A command at the demo's house. */
export const bascule = (...words) =>
  JSON.parse(execFileSync(process.env.BASCULE, [...words, '--json', '--config', config], { encoding: 'utf8' }));
/** A token that the provider itself gives to a client, for a resource. */
export const given = (audience, claims) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'p1' })
  .setIssuer(issuer).setAudience(audience).setIssuedAt().setExpirationTime('5m').sign(signing.privateKey);

/** Puts the demo back as it was. */
export async function closed() {
  writeFileSync(config, demoText);
  process.kill(Number(process.env.DEMO_PROCESS), 'SIGHUP');
  for (const one of [server, guardServer]) { one.close(); one.closeAllConnections(); }
  await wait(1000);
}

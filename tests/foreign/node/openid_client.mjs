// npm `openid-client`: discovery, authorization code with PKCE, pushed requests, DPoP, userinfo, introspection, revocation,
// backend services.
import { readFileSync } from 'node:fs';
import { importPKCS8 } from 'jose';
import * as oidc from 'openid-client';

import { DEMO, REGISTERED, attempt, claim, end, refused } from './claims.mjs';
import { walk } from './person.mjs';

const SCOPE = 'openid fhirUser launch/patient offline_access patient/*.rs';
const secretOf = (name) => REGISTERED.clients[name].client_secret;
const issuer = new URL(DEMO.issuer);
const tokenUrl = `${DEMO.issuer}/oauth/token`;
const keyOf = (name, alg) => importPKCS8(readFileSync(`${process.env.FOREIGN}/${name}.pem`, 'utf8'), alg);
// SMART asks for the token URL as audience; the library's default is the issuer.
const audience = { [oidc.modifyAssertion]: (_, payload) => { payload.aud = tokenUrl; } };

async function flow(title, config, { pushed = false, extra = {}, handle } = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
  const asked = {
    redirect_uri: REGISTERED.callback, scope: SCOPE, aud: DEMO.fhir, state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...extra,
  };
  const address = pushed ? await oidc.buildAuthorizationUrlWithPAR(config, asked, { DPoP: handle }) : oidc.buildAuthorizationUrl(config, asked);
  const back = await attempt(`${title}: the pages lead back`, () => walk('amelie', address, REGISTERED.callback));
  const tokens = await attempt(`${title}: code, iss, state, nonce and id_token are accepted by the library`, () =>
    oidc.authorizationCodeGrant(config, back, { ...checks, idTokenExpected: true }, undefined, { DPoP: handle }));
  return { tokens: tokens ?? {}, back, checks };
}

const discover = (id, metadata, auth) => oidc.discovery(issuer, id, metadata, auth);
const publicApp = await attempt('discovers the server', () => discover('public-app', undefined, oidc.None()));
const { tokens, back, checks } = await flow('public', publicApp);
claim('public: the patient is in context', tokens.patient === DEMO.users.amelie.patient, tokens);
const read = await oidc.fetchProtectedResource(publicApp, tokens.access_token, new URL(`${DEMO.fhir}/Patient/p0001`), 'GET');
claim('public: reads the patient', read.status === 200);
const told = await attempt('public: userinfo names the same subject', () =>
  oidc.fetchUserInfo(publicApp, tokens.access_token, tokens.claims().sub));
claim('public: and the fhirUser', told?.fhirUser?.endsWith('Patient/p0001'), told);
await refused('public: userinfo of nonsense is refused', () => oidc.fetchUserInfo(publicApp, 'nonsense', oidc.skipSubjectCheck));
const fresh = await attempt('public: refreshes', () => oidc.refreshTokenGrant(publicApp, tokens.refresh_token));
claim('public: rotated', fresh?.refresh_token && fresh.refresh_token !== tokens.refresh_token);
const less = await attempt('public: refreshes for less', () =>
  oidc.refreshTokenGrant(publicApp, fresh.refresh_token, { scope: 'openid patient/Observation.rs' }));
claim('public: and gets less', less && !less.scope.includes('patient/*'), less?.scope);
await refused('public: refreshing for more is refused', () =>
  oidc.refreshTokenGrant(publicApp, less.refresh_token, { scope: 'openid user/*.cruds' }), (error) => error.error === 'invalid_scope');
await refused('public: a code counts once', () => oidc.authorizationCodeGrant(publicApp, back, checks), (error) => error.error === 'invalid_grant');
const after = await oidc.fetchProtectedResource(publicApp, less?.access_token ?? 'none', new URL(`${DEMO.fhir}/Patient/p0001`), 'GET').catch((error) => error);
claim('public: and its replay ends what it gave', (after.status ?? 0) === 401, String(after.status));

const secretApp = await discover('secret-app', secretOf('secret'), oidc.ClientSecretBasic(secretOf('secret')));
const confidential = await flow('confidential, pushed', secretApp, { pushed: true });
const known = await attempt('confidential: introspects its own token', () => oidc.tokenIntrospection(secretApp, confidential.tokens.access_token));
claim('confidential: active, with scope and patient', known?.active && known.patient === 'p0001' && known.client_id === 'secret-app', known);
const foreign = await attempt('confidential: introspects another client\'s token', () => oidc.tokenIntrospection(secretApp, fresh.access_token));
claim('confidential: and learns nothing of it', foreign && Object.keys(foreign).length === 1 && foreign.active === false, foreign);
await attempt('confidential: revokes', () => oidc.tokenRevocation(secretApp, confidential.tokens.access_token));
claim('confidential: it is not active any more', (await oidc.tokenIntrospection(secretApp, confidential.tokens.access_token)).active === false);

const signed = await discover('signed-app', undefined, oidc.PrivateKeyJwt({ key: await keyOf('signed-app', 'RS384'), kid: 'rs' }, audience));
await flow('signed, pushed', signed, { pushed: true });

const pair = await oidc.randomDPoPKeyPair('ES256');
const handle = oidc.getDPoPHandle(publicApp, pair);
const bound = await flow('DPoP', publicApp, { handle });
claim('DPoP: the token is bound', bound.tokens.token_type?.toLowerCase() === 'dpop', bound.tokens.token_type);
const proved = await attempt('DPoP: reads with a proof', () =>
  oidc.fetchProtectedResource(publicApp, bound.tokens.access_token, new URL(`${DEMO.fhir}/Patient/p0001`), 'GET', undefined, undefined, { DPoP: handle }));
claim('DPoP: with a proof it is served', proved?.status === 200, String(proved?.status));
const bare = await fetch(`${DEMO.fhir}/Patient/p0001`, { headers: { authorization: `Bearer ${bound.tokens.access_token}` } });
claim('DPoP: copied without the key it is worthless', bare.status === 401, String(bare.status));
const thief = oidc.getDPoPHandle(publicApp, await oidc.randomDPoPKeyPair('ES256'));
await refused('DPoP: with another key too', async () => {
  const answer = await oidc.fetchProtectedResource(publicApp, bound.tokens.access_token, new URL(`${DEMO.fhir}/Patient/p0001`), 'GET', undefined, undefined, { DPoP: thief });
  if (answer.status !== 401) throw Object.assign(new Error(`${answer.status}`), { served: true });
  throw new Error('401');
}, (error) => !error.served);

for (const [name, alg, kid] of [['rsa-backend', 'RS384', 'rs'], ['curve-backend', 'ES384', 'es']]) {
  const key = { key: await keyOf(name, alg), kid };
  const backend = await discover(name, undefined, oidc.PrivateKeyJwt(key, audience));
  const given = await attempt(`${alg}: a backend gets a token`, () => oidc.clientCredentialsGrant(backend, { scope: 'system/Appointment.rs' }));
  const search = await oidc.fetchProtectedResource(backend, given?.access_token ?? 'none', new URL(`${DEMO.fhir}/Appointment?_count=1`), 'GET').catch((error) => error);
  claim(`${alg}: it searches`, search.status === 200, String(search.status));
}
end();

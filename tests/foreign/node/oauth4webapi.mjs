// npm `oauth4webapi`: every step by hand, each answer checked by the library: discovery, code, id_token, refresh, revocation.
import { readFileSync } from 'node:fs';
import { importPKCS8 } from 'jose';
import * as oauth from 'oauth4webapi';

import { DEMO, REGISTERED, attempt, claim, end, refused } from './claims.mjs';
import { walk } from './person.mjs';

const issuer = new URL(DEMO.issuer);
const server = await attempt('OpenID discovery is accepted', async () =>
  oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer)));
await attempt('RFC 8414 discovery too', async () =>
  oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2' })));
claim('it promises S256 and iss', server.code_challenge_methods_supported.includes('S256') && server.authorization_response_iss_parameter_supported);

async function ask(client, extra = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const address = new URL(server.authorization_endpoint);
  const asked = {
    client_id: client.client_id, redirect_uri: REGISTERED.callback, response_type: 'code', aud: DEMO.fhir, state, nonce,
    scope: 'openid fhirUser launch/patient offline_access patient/*.rs',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...extra,
  };
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  return { address, verifier, state, nonce };
}

async function redeem(client, auth, { address, verifier, state, nonce }) {
  const back = await walk('amelie', address, REGISTERED.callback);
  const parameters = oauth.validateAuthResponse(server, client, back, state);
  const answer = await oauth.authorizationCodeGrantRequest(server, client, auth, parameters, REGISTERED.callback, verifier);
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(server, answer);
  return { tokens, parameters, verifier };
}

const key = { key: await importPKCS8(readFileSync(`${process.env.FOREIGN}/signed-app.pem`, 'utf8'), 'RS384'), kid: 'rs' };
const audience = { [oauth.modifyAssertion]: (_, payload) => { payload.aud = server.token_endpoint; } };
const clients = [
  ['public', 'public-app', oauth.None()],
  ['secret in the header', 'secret-app', oauth.ClientSecretBasic(REGISTERED.clients.secret.client_secret)],
  ['secret in the form', 'posted-app', oauth.ClientSecretPost(REGISTERED.clients.posted.client_secret)],
  ['signed', 'signed-app', oauth.PrivateKeyJwt(key, audience)],
];
for (const [title, id, auth] of clients) {
  const client = { client_id: id };
  const done = await attempt(`${title}: code and id_token, its signature too, are accepted`, async () => redeem(client, auth, await ask(client)));
  if (!done) continue;
  const { tokens, parameters, verifier } = done;
  const hash = oauth.getValidatedIdTokenClaims(tokens);
  claim(`${title}: the id_token says when and who`, hash.auth_time === undefined || hash.auth_time <= Date.now() / 1000 + 5, hash);
  const read = await oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(`${DEMO.fhir}/Patient/${tokens.patient}`));
  claim(`${title}: reads`, read.status === 200, String(read.status));
  const fresh = await attempt(`${title}: refreshes, id_token and all`, async () =>
    oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, auth, tokens.refresh_token)));
  await attempt(`${title}: revokes`, async () =>
    oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, fresh.refresh_token)));
  await refused(`${title}: the challenge after it is one the library can read`, () =>
    oauth.protectedResourceRequest(fresh.access_token, 'GET', new URL(`${DEMO.fhir}/Patient/p0001`)),
    (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.cause[0].parameters.error === 'invalid_token');
  await refused(`${title}: the code counts once`, async () =>
    oauth.processAuthorizationCodeResponse(server, client,
      await oauth.authorizationCodeGrantRequest(server, client, auth, parameters, REGISTERED.callback, verifier)),
    (error) => error.error === 'invalid_grant');
}

const publicApp = { client_id: 'public-app' };
await refused('another client\'s code is refused', async () => {
  const asked = await ask(publicApp);
  const back = await walk('amelie', asked.address, REGISTERED.callback);
  const other = { client_id: 'public-other' };
  const parameters = oauth.validateAuthResponse(server, publicApp, back, asked.state);
  return oauth.processAuthorizationCodeResponse(server, other,
    await oauth.authorizationCodeGrantRequest(server, publicApp, (_, __, body) => body.set('client_id', 'public-other'), parameters, REGISTERED.callback, asked.verifier));
}, (error) => error.error === 'invalid_grant');
await refused('another verifier is refused', async () => {
  const asked = await ask(publicApp);
  return redeem(publicApp, oauth.None(), { ...asked, verifier: oauth.generateRandomCodeVerifier() });
}, (error) => error.error === 'invalid_grant');
await refused('another audience is refused', async () => redeem(publicApp, oauth.None(), await ask(publicApp, { aud: 'https://elsewhere.example/fhir' })));
await refused('plain PKCE is refused', async () => redeem(publicApp, oauth.None(), await ask(publicApp, { code_challenge_method: 'plain' })));
end();

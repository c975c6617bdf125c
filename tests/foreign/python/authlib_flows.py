"""PyPI `authlib`: authorization code with PKCE for public and confidential apps, and backend services by signed assertion."""

import os
import time

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import KeySet, import_key

from claims import DEMO, REGISTERED, attempt, claim, end
from person import Person

well = requests.get(DEMO["fhir"] + "/.well-known/smart-configuration").json()
openid = requests.get(DEMO["issuer"] + "/.well-known/openid-configuration").json()
keys = KeySet.import_key_set(requests.get(well["jwks_uri"]).json())
SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"


def secret(name):
    return REGISTERED["clients"][name].get("client_secret")


def flow(title, client_id, method, client_secret=None, scope=SCOPE, login="amelie", **choices):
    """A whole authorization code flow; the session and its token."""
    session = OAuth2Session(
        client_id, client_secret, scope=scope, redirect_uri=REGISTERED["callback"],
        token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, code_challenge_method="S256",
    )
    if method == "private_key_jwt":
        session.register_client_auth_method(Assertion())
    verifier = "v" + os.urandom(32).hex()
    address, _ = session.create_authorization_url(
        well["authorization_endpoint"], code_verifier=verifier, aud=DEMO["fhir"], nonce="n-" + client_id,
    )
    back = attempt(f"{title}: the pages lead back", lambda: Person(login).walk(address, REGISTERED["callback"], **choices))
    token = back and attempt(
        f"{title}: redeems the code",
        lambda: session.fetch_token(well["token_endpoint"], authorization_response=back, code_verifier=verifier),
    )
    return session, token or {}, (back, verifier)


class Assertion(PrivateKeyJWT):
    """The library's default lasts an hour; SMART allows five minutes."""

    def __init__(self, alg="RS384", kid="rs", **claims):
        super().__init__(well["token_endpoint"], alg=alg, headers={"kid": kid})
        self.wanted = claims

    def sign(self, auth, endpoint):
        self.claims = {"exp": int(time.time()) + 240, "jti": os.urandom(16).hex(), **self.wanted}
        return super().sign(auth, endpoint)


def private_key(name):
    return import_key(open(f"{os.environ['FOREIGN']}/{name}.pem").read(), "EC" if name.startswith("curve") else "RSA")


for title, client, method, name in [
    ("public", "public-app", "none", "public"),
    ("secret in the header", "secret-app", "client_secret_basic", "secret"),
    ("secret in the form", "posted-app", "client_secret_post", "posted"),
    ("signed assertion", "signed-app", "private_key_jwt", "signed"),
]:
    session, token, (back, verifier) = flow(title, client, method, private_key(client) if method == "private_key_jwt" else secret(name))
    claim(f"{title}: a bearer token with patient", token.get("token_type") == "Bearer" and token.get("patient") == "p0001", token.keys())
    decoded = attempt(
        f"{title}: the id_token verifies against the published keys",
        lambda: jwt.decode(token["id_token"], keys, algorithms=openid["id_token_signing_alg_values_supported"]),
    )
    said = decoded.claims if decoded else {}
    claim(f"{title}: it names issuer, audience, nonce and fhirUser",
          said.get("iss") == DEMO["issuer"] and client in (said.get("aud"), *([said.get("aud")] if isinstance(said.get("aud"), str) else said.get("aud", [])))
          and said.get("nonce") == "n-" + client and str(said.get("fhirUser", "")).endswith("Patient/p0001"), said)
    read = session.get(f"{DEMO['fhir']}/Patient/{token.get('patient')}")
    claim(f"{title}: reads the patient", read.status_code == 200, read.text)
    fresh = attempt(f"{title}: refreshes", lambda: session.refresh_token(well["token_endpoint"]))
    claim(f"{title}: the refresh token is another", fresh and fresh["refresh_token"] != token.get("refresh_token"))
    old = {"Authorization": "Bearer " + token.get("access_token", "")}
    revoked = attempt(f"{title}: revokes", lambda: session.revoke_token(well["revocation_endpoint"], token=fresh["refresh_token"], token_type_hint="refresh_token"))
    claim(f"{title}: revocation answers 200", revoked is not None and revoked.status_code == 200, revoked)
    read = requests.get(f"{DEMO['fhir']}/Patient/p0001", headers={"Authorization": "Bearer " + fresh["access_token"]} if fresh else {})
    claim(f"{title}: the next request is refused", read.status_code == 401, read.status_code)
    claim(f"{title}: with a readable challenge", 'error="invalid_token"' in read.headers.get("www-authenticate", ""), dict(read.headers))

# A person may leave something out.
session, token, _ = flow("unticked", "public-app", "none", scope="openid launch/patient patient/Observation.rs patient/Condition.rs",
                         untick=("keep.1",))
claim("unticked: the token says what was left", token != {} and "scope" in token, token)

# Backend services.
SCHEDULE = "system/Appointment.rs"
# Whoever was refused very often is slowed down, by address; each refusal here is to be judged by itself.
TRIES_MAX = 10
WAIT_SECONDS = 7


def backend(client, alg, kid, key=None, **claims):
    session = OAuth2Session(client, private_key(key or client), scope=SCHEDULE, token_endpoint_auth_method="private_key_jwt")
    session.register_client_auth_method(Assertion(alg, kid, **claims))
    return session


def refused(text, session, error="invalid_client"):
    fault = None
    for _ in range(TRIES_MAX):
        try:
            session.fetch_token(well["token_endpoint"], grant_type="client_credentials")
            return claim(text, False, "a token was given")
        except Exception as thrown:  # the library's own, which does not keep Retry-After
            fault = thrown
        if getattr(fault, "error", "") != "slow_down":
            break
        time.sleep(WAIT_SECONDS)
    return claim(text, getattr(fault, "error", "") == error, repr(fault))


for client, alg, kid in [("rsa-backend", "RS384", "rs"), ("curve-backend", "ES384", "es")]:
    session = backend(client, alg, kid)
    token = attempt(f"{alg}: a backend gets a token", lambda: session.fetch_token(well["token_endpoint"], grant_type="client_credentials"))
    claim(f"{alg}: no longer than five minutes, no refresh token", token and token["expires_in"] <= 300 and "refresh_token" not in token, token)
    read = session.get(DEMO["fhir"] + "/Appointment?_count=2")
    claim(f"{alg}: it searches appointments", read.status_code == 200 and read.json()["resourceType"] == "Bundle", read.text)
    read = session.get(DEMO["fhir"] + "/Observation?_count=2")
    claim(f"{alg}: and is refused observations", read.status_code == 403 and read.json()["resourceType"] == "OperationOutcome", read.text)
refused("a stranger's key is refused", backend("rsa-backend", "RS384", "rs", key="stranger"))
refused("an unregistered algorithm is refused", backend("rsa-backend", "RS256", "rs"))
refused("an assertion of an hour is refused", backend("rsa-backend", "RS384", "rs", exp=int(time.time()) + 3600))
refused("an assertion that ended is refused", backend("rsa-backend", "RS384", "rs", exp=int(time.time()) - 600))
refused("an assertion for another audience is refused", backend("rsa-backend", "RS384", "rs", aud="https://elsewhere.example/token"))
refused("an assertion of another issuer is refused", backend("rsa-backend", "RS384", "rs", iss="curve-backend"))
session = backend("rsa-backend", "RS384", "rs", jti="once")
attempt("a jti counts once", lambda: session.fetch_token(well["token_endpoint"], grant_type="client_credentials"))
refused("and not twice", session)

# Introspection by a resource server.
guard = OAuth2Session("resource-server", secret("resource-server"), token_endpoint_auth_method="client_secret_basic")
_, token, _ = flow("introspected", "public-app", "none")
told = attempt("a resource server introspects", lambda: guard.introspect_token(well["introspection_endpoint"], token=token["access_token"]).json())
claim("it learns client, scope, patient and expiry", told and told.get("active") and told.get("client_id") == "public-app" and told.get("patient") == "p0001" and told.get("exp", 0) > time.time(), told)
told = guard.introspect_token(well["introspection_endpoint"], token="nonsense").json()
claim("of nonsense it learns only that it is not active", told == {"active": False}, told)
end()

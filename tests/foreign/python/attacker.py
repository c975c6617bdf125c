"""Nobody's client: an attacker at the OAuth endpoints and the API. Each try must be refused as the specifications say, and
none may answer with a 5xx."""

import base64
import hashlib
import hmac
import json
import os
import re
import time

import requests
from joserfc import jws
from joserfc.jwk import RSAKey

from claims import DEMO, REGISTERED, claim, end
from person import Person, answered, forms

ISSUER, FHIR, CALLBACK = DEMO["issuer"], DEMO["fhir"], REGISTERED["callback"]
WELL = requests.get(FHIR + "/.well-known/smart-configuration").json()
AUTHORIZE, TOKEN = WELL["authorization_endpoint"], WELL["token_endpoint"]
VERIFIER = "x" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BASE = {
    "response_type": "code", "client_id": "public-app", "redirect_uri": CALLBACK, "scope": "openid launch/patient offline_access patient/*.rs",
    "state": "st", "aud": FHIR, "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}
CLIENTS = REGISTERED["clients"]
faults = []


def seen(answer, what):
    if answer.status_code >= 500:
        faults.append(f"{what}: {answer.status_code} {answer.text[:200]}")
    return answer


class CutOff:
    """The server ended the connection while a head or body beyond its bounds was still coming: refused."""

    status_code, text, headers = 413, "{}", {}

    def json(self):
        return {}


def sent(method, address, what, **options):
    try:
        return seen(requests.request(method, address, allow_redirects=False, **options), what)
    except requests.ConnectionError:
        return CutOff()


def post(address, what, **options):
    """A post; whoever is slowed down waits, so that each try is judged by itself."""
    for _ in range(8):
        answer = sent("POST", address, what, **options)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["retry-after"]) + 0.2)
    return answer


def get(address, what, **options):
    for _ in range(8):
        answer = sent("GET", address, what, **options)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["retry-after"]) + 0.2)
    return answer


def ask(what, drop=(), double=(), **change):
    pairs = [(name, value) for name, value in {**BASE, **change}.items() if name not in drop]
    pairs += [(name, value) for name, value in pairs if name in double]
    return get(AUTHORIZE, what, params=pairs)


def place(answer):
    """Where the refusal was said: at our page, at the app (and which error), or not refused."""
    target = answer.headers.get("location", "")
    if not target:
        return "page" if answer.status_code >= 400 else "open"
    if target.startswith(CALLBACK):
        return "app " + answered(target).get("error", "?")
    return "open" if "/oauth/continue" in target else "elsewhere " + target


def code(login="amelie", **change):
    address = requests.Request("GET", AUTHORIZE, params={**BASE, **change}).prepare().url
    return answered(Person(login).walk(address, CALLBACK))["code"]


def redeem(what, drop=(), double=(), auth=None, headers=None, **change):
    form = {"grant_type": "authorization_code", "client_id": "public-app", "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **change}
    pairs = [(name, value) for name, value in form.items() if name not in drop and value is not None]
    pairs += [(name, value) for name, value in pairs if name in double]
    return post(TOKEN, what, data=pairs, auth=auth, headers=headers)


def error(answer):
    try:
        return answer.json().get("error", "")
    except ValueError:
        return answer.text[:100]


def refused(text, answer, *errors):
    claim(text, answer.status_code in (400, 401, 403, 413, 415) and (not errors or error(answer) in errors), f"{answer.status_code} {answer.text[:200]}")


# The authorization endpoint.
claim("the honest request is taken", place(ask("honest")) == "open")
for name in ["client_id", "redirect_uri"]:
    claim(f"without {name} nobody is redirected", place(ask(f"no {name}", drop=[name])) == "page", place(ask(f"no {name}", drop=[name])))
    claim(f"with {name} doubled nobody is redirected", place(ask(f"double {name}", double=[name])) == "page", place(ask(f"double {name}", double=[name])))
for name in ["response_type", "aud", "code_challenge", "code_challenge_method", "scope"]:
    said = place(ask(f"no {name}", drop=[name]))
    claim(f"without {name} the app is told no", said.startswith("app ") or said == "page", said)
for name in ["response_type", "aud", "code_challenge", "code_challenge_method", "scope", "state"]:
    said = place(ask(f"double {name}", double=[name]))
    claim(f"with {name} doubled the request is refused", said.startswith("app ") or said == "page", said)
for uri in [
    CALLBACK + "/", CALLBACK + "?x=1", CALLBACK + "#f", CALLBACK.upper(), CALLBACK.replace("/callback", "/callback/../other"), CALLBACK + "%2e%2e",
    "http://127.0.0.1@evil.example/callback", "http://user@127.0.0.1:8446/callback", "http://localhost:8446/callback", "http://127.0.0.1.evil.example/callback",
    "https://evil.example/callback", "javascript:alert(1)", "data:text/html,x", "//evil.example/callback", "", "callback", "http://[::1]:8446/callback",
    "http://127.0.0.1:8446\\@evil.example/callback", "http://127.0.0.1:8446/callback\r\nset-cookie: a=b", "http://0x7f.1:8446/callback",
    "http://2130706433:8446/callback", "http://127.0.0.1:99999/callback", "http://127.1:8446/callback", "HTTP://127.0.0.1:8446/callback", "http://127.0.0.1:8446/callback ",
]:
    answer = ask(f"redirect {uri}", redirect_uri=uri)
    claim(f"nobody is redirected to {uri!r}", place(answer) == "page" and "set-cookie" not in answer.headers, f"{answer.status_code} {answer.headers.get('location')}")
for name, value in [
    ("response_type", "token"), ("response_type", "code token"), ("response_type", "CODE"), ("code_challenge_method", "plain"), ("code_challenge_method", "s256"),
    ("code_challenge", "short"), ("code_challenge", "x" * 5000), ("code_challenge", "a" * 42 + "="), ("aud", "https://evil.example/fhir"), ("aud", FHIR + "/../other"),
    ("scope", "nonsense"), ("scope", "system/*.cruds"), ("scope", "patient/*.read\x00"), ("scope", "a " * 6000), ("response_mode", "fragment"), ("response_mode", "form_post"),
    ("request", "eyJhbGciOiJub25lIn0.e30."), ("request_uri", "https://evil.example/request"), ("request_uri", "urn:ietf:params:oauth:request_uri:guess"),
    ("prompt", "none login"), ("max_age", "-1"), ("max_age", "soon"), ("launch", "guess"), ("dpop_jkt", "x"),
]:
    answer = ask(f"{name}={value[:20]}", **{name: value})
    said = place(answer)
    if name == "launch":
        claim("a guessed launch gets no code", said == "open" or said.startswith("app "), said)
    else:
        claim(f"{name}={value[:30]!r} is refused", said == "page" or said.startswith("app ") or answer.status_code in (400, 414, 431), f"{answer.status_code} {said}")
for size in (9_000, 60_000, 300_000):
    answer = ask(f"state of {size}", state="s" * size)
    claim(f"a state of {size} bytes is refused", answer.status_code in (400, 414, 431) or place(answer) != "open", f"{answer.status_code}")
for what, options in {
    "a JSON body": {"json": BASE}, "no body": {}, "broken UTF-8": {"data": b"client_id=\xff\xfe", "headers": {"content-type": "application/x-www-form-urlencoded"}},
    "a broken percent": {"data": "client_id=%zz&redirect_uri=%", "headers": {"content-type": "application/x-www-form-urlencoded"}},
    "a body of 2 MB": {"data": {**BASE, "x": "y" * 2_000_000}}, "ten thousand parameters": {"data": [(f"p{n}", "1") for n in range(9_000)]},
}.items():
    answer = post(AUTHORIZE, what, **options)
    claim(f"authorize: {what} is refused", 400 <= answer.status_code < 500, answer.status_code)

# The pages: forms of others.
person = Person("yusuf")
first = person.browser.get(requests.Request("GET", AUTHORIZE, params=BASE).prepare().url)
action, fields = forms(first.text)[0]
honest = {field["name"]: field.get("value", "") for _, field in fields if field.get("name")} | {"login": person.login, "password": person.password}
answer = post(ISSUER + "/oauth/login", "foreign form", data=honest)
claim("a sign-in form without the browser's cookie does nothing", answer.status_code in (400, 403) and "session" not in answer.headers.get("set-cookie", ""), answer.status_code)
answer = person.browser.post(ISSUER + "/oauth/login", data={**honest, "form": "0" * 64}, allow_redirects=False)
claim("with another form token neither", answer.status_code in (400, 403), answer.status_code)
answer = person.browser.post(ISSUER + "/oauth/login", data=honest, headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, allow_redirects=False)
claim("a form that another origin sends is refused, be it ever so right", answer.status_code in (400, 403), answer.status_code)
claim("pages may not be framed", "frame-ancestors 'none'" in first.headers.get("content-security-policy", "") or first.headers.get("x-frame-options", "").upper() == "DENY", dict(first.headers))
claim("cookies are host-bound, secure, hidden from scripts and not sent by foreign forms",
      all(word in first.headers.get("set-cookie", "") for word in ["__Host-", "Secure", "HttpOnly", "SameSite=Lax"]), first.headers.get("set-cookie"))
person = Person("yusuf")
page = person.browser.get(requests.Request("GET", AUTHORIZE, params=BASE).prepare().url)
action, fields = forms(page.text)[0]
signed = person.browser.post(ISSUER + action, data={field["name"]: field.get("value", "") for _, field in fields if field.get("name")} | {"login": person.login, "password": person.password})
consent = forms(signed.text)
claim("a consent page was reached", bool(consent) and "consent" in consent[0][0], signed.text[-200:])
fields = {field["name"]: field.get("value", "") for _, field in consent[0][1] if field.get("name")} | {"decision": "allow"}
answer = post(ISSUER + "/oauth/consent", "consent without cookies", data=fields)
claim("consent from another browser gives no code", "code=" not in answer.headers.get("location", ""), answer.headers)
answer = person.browser.post(ISSUER + "/oauth/consent", data={**fields, "form": ""}, allow_redirects=False)
claim("consent without the form token gives no code", answer.status_code in (400, 403), answer.status_code)
answer = person.browser.post(ISSUER + "/oauth/consent", json=fields, allow_redirects=False)
claim("consent as JSON gives no code", answer.status_code in (400, 403, 415), answer.status_code)
answer = person.browser.get(ISSUER + "/oauth/consent", params=fields, allow_redirects=False)
claim("consent by a link gives no code", answer.status_code == 405, answer.status_code)
mine = Person("mateo")
mine.browser.get(signed.url)
answer = mine.browser.get(f"{ISSUER}/oauth/continue?request={fields['request']}", allow_redirects=False)
claim("a waiting request belongs to one browser", answer.status_code in (400, 403, 404, 410), answer.status_code)
for value in ["", "x" * 5000, "../../etc", "\x00", "'; drop table pending; --"]:
    answer = get(ISSUER + "/oauth/continue", "continue", params={"request": value})
    claim(f"a guessed request {value[:12]!r} leads nowhere", 400 <= answer.status_code < 500, answer.status_code)

# The token endpoint: codes.
fresh = code()
for name in ["grant_type", "code", "code_verifier", "client_id", "redirect_uri"]:
    refused(f"token: without {name}", redeem(f"token no {name}", drop=[name], code=fresh), "invalid_request", "invalid_client", "invalid_grant", "unsupported_grant_type")
for name in ["grant_type", "code", "code_verifier", "client_id", "redirect_uri"]:
    refused(f"token: {name} doubled", redeem(f"token double {name}", double=[name], code=fresh), "invalid_request")
for name, value in [("code_verifier", "y" * 64), ("code_verifier", ""), ("code_verifier", CHALLENGE), ("code_verifier", "x" * 100_0), ("redirect_uri", CALLBACK + "/"),
                    ("grant_type", "password"), ("grant_type", "implicit"), ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("code", "guess"), ("code", "x" * 60_000), ("code", "\x00")]:
    refused(f"token: {name}={value[:24]!r}", redeem(f"token {name}", **{"code": fresh, name: value}), "invalid_request", "invalid_grant", "unsupported_grant_type", "unauthorized_client")
refused("token: another client's code", redeem("other client", code=fresh, client_id="public-other"), "invalid_grant")
refused("token: a confidential client's name without its secret", redeem("no secret", code=fresh, client_id="secret-app"), "invalid_client")
refused("token: a public client with a secret", redeem("a secret", code=fresh, client_secret="x"), "invalid_client", "invalid_request")
answer = redeem("honest", code=fresh)
claim("after all that the honest one still gets it", answer.status_code == 200, answer.text)
token = answer.json()
refused("token: the code again", redeem("replay", code=fresh), "invalid_grant")
read = get(f"{FHIR}/Patient/p0001", "after replay", headers={"Authorization": "Bearer " + token.get("access_token", "")})
claim("and the replay ended what it gave", read.status_code == 401, read.status_code)
for what, options in {
    "JSON": {"json": {"grant_type": "authorization_code"}}, "no body": {}, "parameters in the address": {"params": {"grant_type": "client_credentials", "client_id": "public-app"}},
    "multipart": {"files": {"grant_type": "authorization_code"}}, "broken UTF-8": {"data": b"grant_type=\xff", "headers": {"content-type": "application/x-www-form-urlencoded"}},
    "2 MB": {"data": {"grant_type": "x" * 2_000_000}},
    "two proofs": {"data": {"grant_type": "client_credentials", "client_id": "secret-app", "client_secret": "x"}, "auth": ("secret-app", "x")},
    "a header that is not base64": {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": "Basic %%%"}},
    "a header of 7 kB": {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": "Basic " + "QUFB" * 1750}},
    "a bearer as proof": {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": "Bearer x"}},
    "a wrong secret": {"data": {"grant_type": "client_credentials"}, "auth": ("resource-server", "x")},
    "a backend's grant for an app": {"data": {"grant_type": "client_credentials", "client_id": "public-app", "scope": "system/*.rs"}},
}.items():
    refused(f"token: {what}", post(TOKEN, what, **options))
claim("token: by GET", get(TOKEN, "token by GET").status_code == 405)

# The token endpoint: assertions.
pem = open(f"{os.environ['FOREIGN']}/rsa-backend.pem").read()
key = RSAKey.import_key(pem)
stranger = RSAKey.import_key(open(f"{os.environ['FOREIGN']}/stranger.pem").read())


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def assertion(head=None, signer=key, alg="RS384", drop=(), **change):
    now = int(time.time())
    said = {"iss": "rsa-backend", "sub": "rsa-backend", "aud": TOKEN, "jti": os.urandom(12).hex(), "iat": now, "exp": now + 200, **change}
    said = {name: value for name, value in said.items() if name not in drop}
    return jws.serialize_compact({"alg": alg, "kid": "rs", "typ": "JWT", **(head or {})}, json.dumps(said).encode(), signer, algorithms=[alg])


def backend(what, value, double=(), **change):
    form = {"grant_type": "client_credentials", "scope": "system/Appointment.rs", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": value, **change}
    pairs = [(name, one) for name, one in form.items() if one is not None]
    return post(TOKEN, what, data=pairs + [(name, one) for name, one in pairs if name in double])


claim("assertion: the honest one is taken", backend("honest", assertion()).status_code == 200)
now = int(time.time())
head, payload, signature = assertion().split(".")


def keyed(alg, secret):
    """An assertion whose HMAC key is something public; libraries refuse to make it."""
    signed = b64({"alg": alg, "kid": "rs"}) + "." + payload
    return signed + "." + b64(hmac.new(secret, signed.encode(), {"HS256": "sha256", "HS384": "sha384"}[alg]).digest())


public_pem = key.as_pem(private=False)
tries = {
    "alg none": f"{b64({'alg': 'none', 'kid': 'rs'})}.{payload}.",
    "alg None with the old signature": f"{b64({'alg': 'None', 'kid': 'rs'})}.{payload}.{signature}",
    "HS256 with the public key as PEM": keyed("HS256", public_pem),
    "HS384 with the public key's modulus": keyed("HS384", key.as_dict(private=False)["n"].encode()),
    "RS256 by the right key": assertion(alg="RS256"),
    "RS512 by the right key": assertion(alg="RS512"),
    "a stranger's key": assertion(signer=stranger),
    "a stranger's key in the head (jwk)": assertion({"jwk": stranger.as_dict(private=False)}, signer=stranger),
    "a stranger's key by address (jku)": assertion({"jku": "http://127.0.0.1:1/keys"}, signer=stranger),
    "another kid": assertion({"kid": "unknown"}),
    "kid as a path": assertion({"kid": "../../../dev/null"}),
    "a critical head that nobody knows": f"{b64({'alg': 'RS384', 'kid': 'rs', 'crit': ['x'], 'x': 1})}.{payload}.{signature}",
    "no issuer": assertion(drop=["iss"]), "no subject": assertion(drop=["sub"]), "no audience": assertion(drop=["aud"]), "no expiry": assertion(drop=["exp"]), "no jti": assertion(drop=["jti"]),
    "another issuer": assertion(iss="curve-backend"), "another subject": assertion(sub="curve-backend"), "both of another client": assertion(iss="curve-backend", sub="curve-backend"),
    "audience the FHIR base": assertion(aud=FHIR), "audience elsewhere": assertion(aud="https://evil.example/token"), "audience as a number": assertion(aud=1), "audience as nothing": assertion(aud=[]),
    "audience that begins alike": assertion(aud=TOKEN + ".evil.example"),
    "expiry in an hour": assertion(exp=now + 3600), "expiry in a century": assertion(exp=now + 3_000_000_000), "expiry as text": assertion(exp=str(now + 100)),
    "expiry beyond numbers": assertion(exp=1e300), "expiry below zero": assertion(exp=-1), "expired": assertion(exp=now - 600), "not yet valid": assertion(nbf=now + 3000),
    "issued in the future": assertion(iat=now + 3000), "jti as a number": assertion(jti=7), "jti empty": assertion(jti=""), "jti of 5 kB": assertion(jti="j" * 5000), "issuer as a list": assertion(iss=["rsa-backend"]),
    "a claim that changed": f"{head}.{b64({'iss': 'rsa-backend', 'sub': 'rsa-backend', 'aud': TOKEN, 'jti': 'z', 'exp': now + 200})}.{signature}",
    "no signature": f"{head}.{payload}.", "two parts": f"{head}.{payload}", "five parts": f"{head}.{payload}.{signature}.a.b", "not base64": "%.%.%", "nothing": "", "a list": f"{head}.{b64([1])}.{signature}",
    "60 kB": "a" * 60_000, "deep": f"{b64(b'[' * 20000)}.{payload}.{signature}",
}
for what, value in tries.items():
    refused(f"assertion: {what}", backend(what, value), "invalid_client", "invalid_request")
once = assertion(jti="only-once")
claim("assertion: a jti once", backend("once", once).status_code == 200)
refused("assertion: a jti twice", backend("twice", once), "invalid_client")
refused("assertion: doubled", backend("doubled", assertion(), double=["client_assertion"]), "invalid_request")
refused("assertion: of another type", backend("type", assertion(), client_assertion_type="x"), "invalid_request", "invalid_client")
refused("assertion: without a type", backend("no type", assertion(), client_assertion_type=None), "invalid_request", "invalid_client")
refused("assertion: with another client_id beside it", backend("other id", assertion(), client_id="curve-backend"), "invalid_client", "invalid_request")
for scope in ["patient/*.rs", "user/*.rs", "system/Observation.rs", "system/*.cruds", "openid", "", "launch", "system/Appointment.xyz"]:
    answer = backend(f"scope {scope}", assertion(), scope=scope)
    granted = answer.json().get("scope", "") if answer.status_code == 200 else ""
    claim(f"scope: {scope!r} gets no more than was registered", error(answer) == "invalid_scope" or (granted and all(one.startswith(("system/Appointment", "system/Schedule", "system/Slot", "system/Patient")) and not re.search(r"\.[a-z]*[cud]", one) for one in granted.split())), answer.text[:200])
refused("scope: none", backend("no scope", assertion(), scope=None), "invalid_scope", "invalid_request")

# Introspection, revocation, pushing, launches, userinfo.
guard = ("resource-server", CLIENTS["resource-server"]["client_secret"])
for address in [WELL["introspection_endpoint"], WELL["revocation_endpoint"], WELL["pushed_authorization_request_endpoint"]]:
    name = address.rsplit("/", 1)[1]
    refused(f"{name}: nobody may", post(address, name, data={"token": "x"}), "invalid_client", "invalid_request")
    refused(f"{name}: a wrong secret", post(address, name, data={"token": "x"}, auth=("resource-server", "wrong")), "invalid_client")
    refused(f"{name}: JSON", post(address, name, json={"token": "x"}, auth=guard))
    refused(f"{name}: no token", post(address, name, data={"x": "y"}, auth=guard))
    refused(f"{name}: doubled", post(address, name, data=[("token", "a"), ("token", "b")], auth=guard), "invalid_request", "invalid_client")
    claim(f"{name}: by GET", get(address, name, auth=guard).status_code == 405)
answer = post(WELL["revocation_endpoint"], "revoke another's", data={"token": "x" * 30_000}, auth=guard)
claim("revoke: of nonsense is 200 and does nothing (RFC 7009)", answer.status_code in (200, 400), answer.status_code)
given = redeem("given", code=code()).json()
post(WELL["revocation_endpoint"], "another's", data={"token": given["access_token"], "client_id": "public-other"})
read = get(f"{FHIR}/Patient/p0001", "still", headers={"Authorization": "Bearer " + given["access_token"]})
claim("revoke: nobody ends another client's token", read.status_code == 200, read.status_code)
refused("refresh: by another client", post(TOKEN, "refresh other", data={"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "public-other"}), "invalid_grant")
refused("refresh: with an access token", post(TOKEN, "refresh access", data={"grant_type": "refresh_token", "refresh_token": given["access_token"], "client_id": "public-app"}), "invalid_grant")
refused("refresh: for more", post(TOKEN, "refresh more", data={"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "public-app", "scope": "system/*.cruds"}), "invalid_scope")
refused("launch: without the scope", post(ISSUER + "/oauth/launch", "launch", json={"client_id": "browser-app", "patient": "p0002"}, headers={"Authorization": "Bearer " + given["access_token"]}), "insufficient_scope")
for body in [b"", b"[", b"[]", b"1", b'"x"', b"{}", b"[" * 50_000]:
    answer = post(ISSUER + "/oauth/launch", "launch body", data=body, headers={"Authorization": "Bearer " + given["access_token"], "content-type": "application/json"})
    claim(f"launch: body {body[:8]!r}", 400 <= answer.status_code < 500, answer.status_code)

# The API with tokens of all kinds.
api = f"{FHIR}/Patient/p0001"
for what, headers in {
    "none": {}, "nonsense": {"Authorization": "Bearer x"}, "empty": {"Authorization": "Bearer "}, "basic": {"Authorization": "Basic " + b64(b"amelie:x")},
    "a refresh token": {"Authorization": "Bearer " + given["refresh_token"]}, "an id_token": {"Authorization": "Bearer " + given["id_token"]},
    "alg none": {"Authorization": f"Bearer {b64({'alg': 'none'})}.{b64({'sub': 'amelie', 'iss': ISSUER, 'aud': FHIR, 'exp': now + 9999, 'scope': 'system/*.cruds'})}."},
    "8 kB": {"Authorization": "Bearer " + "A" * 8000}, "as DPoP": {"Authorization": "DPoP " + given["access_token"], "DPoP": "x.y.z"}, "two in one": {"Authorization": f"Bearer {given['access_token']}, Bearer x"},
}.items():
    answer = get(api, what, headers=headers)
    claim(f"token at the API: {what}", answer.status_code in (400, 401) and answer.json().get("resourceType") == "OperationOutcome", f"{answer.status_code} {answer.text[:120]}")
answer = get(api, "in the address", params={"access_token": given["access_token"]})
claim("token at the API: in the address", answer.status_code == 401, answer.status_code)
bearer = {"Authorization": "Bearer " + given["access_token"]}
for path in ["Patient/p0002", "Observation?patient=p0002", "Observation?subject=Patient/p0002", "Patient/p0001/../p0002", "Patient/p0001%2f..%2fp0002", "Patient/p0002/$everything", "Patient/p0002/Observation",
             "Observation?patient=p0001,p0002", "Observation?patient=p0001&patient=p0002", "Patient?_id=p0002", "Patient?_has:Observation:patient:code=x", "Patient?link=Patient/p0002", "Observation?subject:Patient.name=a",
             "Patient/p0001?_include=Patient:link", "Patient?_revinclude=Observation:patient", "Patient/_history", "_history", "$export", "Group/all/$export", "Patient/p0002/_history/1", "?_type=Patient,Observation", "Observation?_filter=subject eq p0002",
             "Patient//p0002", ";Patient/p0002", "Patient/p0001;x=y", "Patient/p0002#", "Patient/%00", "%zz", "Observation?patient=%ff", "Observation?" + "a=b&" * 2000]:
    for _ in range(3):
        answer = sent("GET", f"{FHIR}/{path}", path, headers=bearer)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["retry-after"]) + 0.2)
    claim(f"another's record does not leave by {path[:60]}", "p0002" not in re.sub(r'"(url|diagnostics|text|fullUrl)":"[^"]*"', "", answer.text) or answer.status_code >= 400, f"{answer.status_code} {answer.text[:200]}")
answer = seen(requests.post(f"{FHIR}/", headers=bearer, json={"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient/p0002"}}]}), "batch")
claim("nor by a batch", "birthDate" not in answer.text, answer.text[:200])
claim("nothing answered with a 5xx", not faults, faults)
end()

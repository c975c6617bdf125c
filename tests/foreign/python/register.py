"""Registers the foreign clients through `bascule client add`, as an administrator would; prints what they need."""

import json
import os
import subprocess
from pathlib import Path

from joserfc.jwk import ECKey, RSAKey

folder = Path(os.environ["FOREIGN"])
CALLBACK = "http://127.0.0.1:8446/callback"
APP = "http://127.0.0.1:8447"
PATIENT = "openid fhirUser launch launch/patient offline_access patient/*.rs"


def add(name, metadata, organization="mercy", role=None):
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"client_name": name, "bascule_apis": ["ehr"], **metadata}))
    command = [os.environ["BASCULE"], "client", "add", str(file), "--id", name, "--organization", organization, "--json"]
    command += ["--config", str(folder / "demo/bascule.toml")] + (["--role", role] if role else [])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{name}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def keys(name, key):
    (folder / f"{name}.pem").write_bytes(key.as_pem(private=True))
    return {"keys": [key.as_dict(private=False)]}


rsa = RSAKey.generate_key(2048, {"kid": "rs", "alg": "RS384", "use": "sig"})
rsa_other = RSAKey.generate_key(2048, {"kid": "rs", "alg": "RS384", "use": "sig"})
curve = ECKey.generate_key("P-384", {"kid": "es", "alg": "ES384", "use": "sig"})
(folder / "stranger.pem").write_bytes(rsa_other.as_pem(private=True))
system = {"token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"]}
person = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK], "scope": PATIENT}
schedule = "system/Appointment.rs system/Schedule.rs system/Slot.rs system/Patient.rs"

made = {
    "public": add("public-app", {**person, "token_endpoint_auth_method": "none"}),
    "public-other": add("public-other", {**person, "token_endpoint_auth_method": "none"}),
    "secret": add("secret-app", {**person, "token_endpoint_auth_method": "client_secret_basic"}),
    "posted": add("posted-app", {**person, "token_endpoint_auth_method": "client_secret_post"}),
    "signed": add("signed-app", {**person, "token_endpoint_auth_method": "private_key_jwt", "jwks": keys("signed-app", rsa)}),
    "rsa": add("rsa-backend", {**system, "scope": schedule, "jwks": keys("rsa-backend", rsa)}, "farsight", "scheduler"),
    "curve": add("curve-backend", {**system, "scope": schedule, "jwks": keys("curve-backend", curve)}, "farsight", "scheduler"),
    "resource-server": add("resource-server", {
        "token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"],
        "scope": "system/*.s", "bascule_introspects": True,
    }, role="auditor-counts"),
    "directory": add("directory", {
        "token_endpoint_auth_method": "client_secret_post", "grant_types": ["client_credentials"], "scope": "bascule/provision",
    }),
    "chart": add("chart", {
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"], "redirect_uris": [CALLBACK],
        "scope": "openid fhirUser smart/orchestrate_launch user/*.rs",
    }),
    "browser": add("browser-app", {
        **person, "token_endpoint_auth_method": "none", "redirect_uris": [f"{APP}/app.html"],
        "initiate_login_uri": f"{APP}/launch.html", "bascule_origins": [APP],
    }),
}
print(json.dumps({"callback": CALLBACK, "app": APP, "clients": made}))

"""The SCIM endpoints, by PyPI scim2-tester: it reads what we publish of ourselves and tries all of it."""

import os
import ssl

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from claims import DEMO, REGISTERED, attempt, claim, end

issuer = DEMO["issuer"]
trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
form = {
    "grant_type": "client_credentials", "scope": "bascule/provision",
    "client_id": "directory", "client_secret": REGISTERED["clients"]["directory"]["client_secret"],
}
given = httpx2.post(f"{issuer}/oauth/token", data=form, verify=trust).json()
claim("a directory gets a token for feeding people", "access_token" in given, given)
headers = {"Authorization": f"Bearer {given.get('access_token')}"}

stranger = httpx2.get(f"{issuer}/scim/v2/Users", verify=trust)
claim("without a token nobody reads the directory", stranger.status_code == 401, stranger.text)

with httpx2.Client(base_url=f"{issuer}/scim/v2", headers=headers, verify=trust) as client:
    scim = SyncSCIMClient(client)
    results = attempt("scim2-tester goes through", lambda: check_server(scim)) or []
    counts = {status: sum(result.status == status for result in results) for status in Status}
    print("checks:", {status.name: number for status, number in counts.items() if number})
    # It fills in words of its own: `fhirUser` must be a reference, and members must be known. Those refusals are right.
    ours = ("is written as `Practitioner/d1`", "is no user here")
    wrong = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)]
    bad = [result for result in wrong if not any(word in str(result.reason) for word in ours)]
    print("refused for a value that names nothing here:", len(wrong) - len(bad))
    for result in bad:
        print("  ", result.title, result.resource_type, "-", str(result.reason)[:300])
    claim("scim2-tester finds nothing against it", results and not bad, f"{len(bad)} of {len(results)}")
end()

"""PyPI `fhirpy`: what its API has, on the embedded EHR: create, read, update, patch, conditional create, search, paging, delete."""

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

import requests

from claims import EHR, attempt, claim, end

client = SyncFHIRClient(EHR)


def refused(text, action, word):
    try:
        action()
        claim(text, False, "it was done")
    except OperationOutcome as outcome:
        claim(text, word in str(outcome), outcome)


made = attempt(
    "creates a patient",
    lambda: client.resource("Patient", name=[{"family": "Fhirpy", "given": ["Ada"]}], gender="female", birthDate="1980-02-29").create(),
)
claim("gets its id", bool(made and made.id))
read = attempt("reads it back", lambda: client.reference("Patient", made.id).to_resource())
claim("as it was sent", read and read["name"][0]["family"] == "Fhirpy" and read["birthDate"] == "1980-02-29")
read["active"] = True
attempt("saves a change", read.save)
claim("the version moved on", read["meta"]["versionId"] != made["meta"]["versionId"], read["meta"])
patched = attempt("patches in its own way, with the elements that change", lambda: read.patch(gender="unknown"))
claim("only those change", patched is not None and read["gender"] == "unknown" and read["active"] is True, patched)
operations = [{"op": "replace", "path": "/gender", "value": "other"}]
answer = requests.patch(f"{EHR}/Patient/{made.id}", json=operations, headers={"Content-Type": "application/json-patch+json"})
claim("one as R4 has it is done", answer.status_code == 200, answer.text)
attempt("refreshes", read.refresh)
claim("and only that is changed", read["gender"] == "other" and read["active"] is True)
found = attempt("searches by name", lambda: client.resources("Patient").search(family="Fhirpy").fetch())
claim("finds that one", [one.id for one in found or []] == [made.id], found)
again = client.resource("Patient", name=[{"family": "Fhirpy"}])
got, fresh = attempt("gets or creates by a condition", lambda: client.resources("Patient").search(family="Fhirpy").get_or_create(again)) or (None, None)
claim("the one that is there, and no second", got is not None and not fresh and got.id == made.id, (got, fresh))
other, created = attempt("updates what a condition finds", lambda: client.resources("Patient").search(family="Fhirpy").update(
    client.resource("Patient", name=[{"family": "Fhirpy"}], gender="other"))) or (None, None)
claim("that one, and makes none", other is not None and not created and other.id == made.id, (other, created))
counted = attempt("counts", lambda: client.resources("Observation").count())
every = attempt("pages through all patients", lambda: client.resources("Patient").limit(7).fetch_all())
total = client.resources("Patient").count()
claim("each once", every and len(every) == total == len({one.id for one in every}), (len(every or []), total))
walked = attempt("iterates over observations page by page", lambda: sum(1 for _ in client.resources("Observation").limit(500)))
claim("as many as were counted", walked == counted, (walked, counted))
included = attempt("includes what an encounter names", lambda: client.resources("Encounter").include("Encounter", "subject").limit(3).fetch_raw())
claim("patients among them", included and any(entry["resource"]["resourceType"] == "Patient" for entry in included["entry"]))
chained = attempt("searches through a chain", lambda: client.resources("Observation").search(patient__Patient__family="Vasterœuil").limit(5).fetch())
claim("and finds", bool(chained))
newest = attempt("sorts", lambda: client.resources("Observation").search(patient="p0001").sort("-date").limit(20).fetch())
dates = [one.get("effectiveDateTime") for one in newest or [] if one.get("effectiveDateTime")]
claim("newest first", dates and dates == sorted(dates, reverse=True), dates)
everything = attempt("executes $everything", lambda: client.execute("Patient/p0001/$everything", method="GET"))
claim("and gets a bundle of hers", everything and len(everything["entry"]) > 10)
checked = attempt("validates by operation", lambda: client.resource("Patient", gender="male").is_valid())
claim("a sound one is valid", checked is True, checked)
claim("an unsound one is not", client.resource("Patient", gender="perhaps").is_valid() is False)
try:
    client.resource("Patient", birthDate="yesterday").create()
    claim("what is not R4 is refused with an outcome", False)
except OperationOutcome as outcome:
    claim("what is not R4 is refused with an outcome", "birthDate" in str(outcome), outcome)
attempt("deletes", made.delete)
try:
    client.get("Patient", made.id)
    claim("what was deleted is gone", False)
except (ResourceNotFound, OperationOutcome) as gone:
    claim("what was deleted is gone", True, gone)
end()

"""PyPI `fhirclient`: its models on the embedded EHR: create, read, update, delete, search, iterate over pages."""

from fhirclient.client import FHIRClient
from fhirclient.models.encounter import Encounter
from fhirclient.models.humanname import HumanName
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException

from claims import EHR, attempt, claim, end

smart = FHIRClient(settings={"app_id": "ehr", "api_base": EHR}, save_func=lambda state: None)
attempt("takes an open server as ready", smart.prepare)
claim("is ready", smart.ready)
patient = Patient({"name": [{"family": "Fhirclient", "given": ["Bo"]}], "gender": "male"})
made = attempt("creates a patient", lambda: patient.create(smart.server))
identity = (made or {}).get("id") or patient.id
claim("is told its id", bool(identity), made)
read = attempt("reads it", lambda: Patient.read(identity, smart.server))
read.name.append(HumanName({"text": "Bo again"}))
attempt("updates it", lambda: read.update(smart.server))
claim("the change is there", len(Patient.read(identity, smart.server).name) == 2)
found = attempt("searches", lambda: Patient.where({"family": "Fhirclient"}).perform_resources(smart.server))
claim("finds it", [one.id for one in found or []] == [identity])
bundle = attempt("asks for a page", lambda: Observation.where({"_count": "10"}).perform(smart.server))
claim("gets ten and a link to the next", bundle and len(bundle.entry) == 10 and any(link.relation == "next" for link in bundle.link))
pages = attempt("iterates over all pages", lambda: sum(1 for _ in Observation.where({"patient": "p0001", "_count": "10"}).perform_resources_iter(smart.server)))
total = Observation.where({"patient": "p0001", "_summary": "count"}).perform(smart.server).total
claim("as many as the total says", pages == total, (pages, total))
included = attempt("includes", lambda: Encounter.where({"_count": "2"}).include("subject", Encounter).perform(smart.server))
claim("with their patients", included and any(entry.resource.resource_type == "Patient" for entry in included.entry))
attempt("deletes", lambda: read.delete(smart.server))
try:
    Patient.read(identity, smart.server)
    claim("gone", False)
except FHIRNotFoundException:
    claim("gone", True)
except Exception as error:
    claim("gone", getattr(getattr(error, "response", None), "status_code", 0) in (404, 410), repr(error))
end()

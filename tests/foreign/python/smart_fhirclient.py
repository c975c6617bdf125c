"""PyPI `fhirclient`: a patient's app, standalone launch, with the library's own discovery, PKCE, refresh and models."""

import time

from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRUnauthorizedException

from claims import DEMO, REGISTERED, attempt, claim, end
from person import Person

kept = {}
settings = {
    "app_id": "public-app",
    "api_base": DEMO["fhir"],
    "redirect_uri": REGISTERED["callback"],
    "scope": "openid fhirUser offline_access patient/*.rs",
}
smart = FHIRClient(settings=settings, save_func=kept.update)
claim("not ready before anybody has signed in", not smart.ready and not smart.prepare())
address = attempt("finds the endpoints in the capability statement and makes an address", lambda: smart.authorize_url)
person = Person("amelie")
back = attempt("signing in and consenting leads back to the app", lambda: person.walk(address, REGISTERED["callback"]))
attempt("redeems its code", lambda: smart.handle_callback(back))
claim("is ready", smart.ready)
claim("the patient in context is the one who signed in", smart.patient_id == DEMO["users"]["amelie"]["patient"], smart.patient_id)
patient = attempt("reads the patient as the library's model", lambda: smart.patient)
claim("by her name", patient is not None and "Vasterœuil" in smart.human_name(patient.name[0]))
bundle = attempt(
    "searches her observations and reads each as the library's model",
    lambda: Observation.where({"category": "laboratory", "_count": "5"}).perform_resources(smart.server),
)
claim("finds some", bool(bundle), bundle)
claim(
    "each is hers",
    all(one.subject.reference.endswith(f"Patient/{smart.patient_id}") for one in bundle or []),
)
before = smart.server.auth.refresh_token
claim("refreshes", attempt("asks for a refresh", smart.reauthorize))
claim("the refresh token was rotated", smart.server.auth.refresh_token not in (None, before))
attempt("reads with the fresh token", lambda: Patient.read(smart.patient_id, smart.server))
restored = FHIRClient(state=kept or smart.state, save_func=lambda state: None)
attempt("goes on from a saved state", lambda: Patient.read(smart.patient_id, restored.server))
smart.server.auth.refresh_token = before


def replayed():
    try:
        return smart.reauthorize()
    except Exception:
        return False


claim("the earlier refresh token is refused", not replayed())
attempt("a replay in the same seconds, as of a lost answer, ends nothing", lambda: Patient.read(smart.patient_id, smart.server))
time.sleep(11)
claim("it is refused later too", not replayed())
try:
    Patient.read(smart.patient_id, smart.server)
    claim("and then ends what was given", False)
except FHIRUnauthorizedException:
    claim("and then ends what was given", True)
end()

"""PyPI `fhir.resources` (R4B models) validates what the EHR returns, and what leaves the bridge filtered for a scheduler."""

import json
import subprocess
import os
from collections import Counter

import requests
from fhir.resources.R4B import get_fhir_model_class

from claims import DEMO, EHR, claim, end

PER_TYPE = 25
# Types of R4 whose structure R4B changed: its models cannot judge them.
CHANGED_IN_R4B = {"Evidence", "EvidenceVariable", "MedicinalProduct", "SubstanceSpecification", "DeviceDefinition", "ResearchStudy"}


def faults(resources):
    found = []
    for resource in resources:
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except Exception as error:
            found.append(f"{resource['resourceType']}/{resource.get('id')}: {str(error)[:300]}")
    return found


def entries(answer):
    return [entry["resource"] for entry in answer.json().get("entry", [])]


types = [one["type"] for one in requests.get(f"{EHR}/metadata").json()["rest"][0]["resource"]]
counts, wrong = Counter(), []
for kind in types:
    if kind in CHANGED_IN_R4B:
        continue
    resources = entries(requests.get(f"{EHR}/{kind}?_count={PER_TYPE}"))
    counts[kind] = len(resources)
    wrong += faults(resources)
total = sum(counts.values())
claim(f"{total} resources of {sum(1 for kind in counts if counts[kind])} types of the EHR are valid", total >= 300 and not wrong, wrong[:5] or total)
for query in ["Patient?_summary=true", "Observation?_elements=code", "Encounter?_summary=data&_count=5", "Patient?_summary=text&_count=5"]:
    answer = requests.get(f"{EHR}/{query}")
    resources = entries(answer)
    wrong = [fault for fault in faults(resources)]
    claim(f"{query}: what is left out is marked and valid", resources and not wrong, wrong[:3])
for path in ["metadata", "Patient?_count=3", "Patient/nobody", "Patient/_history?_count=5", "Patient/p0001/$everything?_count=20"]:
    wrong = faults([requests.get(f"{EHR}/{path}").json()])
    claim(f"{path}: the answer itself is valid", not wrong, wrong)

# Filtered at the bridge.
token = subprocess.run([os.environ["BASCULE"], "demo", "token", "scheduler-app", "--data", os.path.dirname(DEMO["ca"]).removesuffix("/tls")],
                       capture_output=True, text=True, check=True).stdout.strip()
bridge = requests.Session()
bridge.headers["Authorization"] = "Bearer " + token
filtered = []
for kind in ["Appointment", "Schedule", "Slot", "Patient"]:
    answer = bridge.get(f"{DEMO['fhir']}/{kind}?_count=40")
    if not claim(f"{kind}: the scheduler may search", answer.status_code == 200, answer.text):
        continue
    resources = entries(answer)
    filtered += resources
    wrong = faults(resources) + faults([answer.json()])
    claim(f"{kind}: {len(resources)} filtered resources and their bundle are valid", resources and not wrong, wrong[:3])
marked = [one for one in filtered if any(tag.get("code") == "SUBSETTED" for tag in one.get("meta", {}).get("tag", []))]
claim(f"{len(marked)} of them say that they are a subset", len(marked) > 0)
absent = [one for one in filtered if "data-absent-reason" in json.dumps(one)]
print(f"     {len(absent)} of {len(filtered)} bear data-absent-reason")
refused = bridge.get(f"{DEMO['fhir']}/Observation")
claim("a refusal is a valid outcome", refused.status_code == 403 and not faults([refused.json()]), refused.text)
refused = requests.get(f"{DEMO['fhir']}/Patient")
claim("a challenge is a valid outcome", refused.status_code == 401 and not faults([refused.json()]), refused.text)
wrong = faults([bridge.get(f"{DEMO['fhir']}/metadata").json()])
claim("the bridge's capability statement is valid", not wrong, wrong)
end()

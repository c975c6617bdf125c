//! The body that everybody filters: a searchset of one megabyte, synthetic, compact, with escapes and several scripts.

use std::fmt::Write as _;

/// Observations and, every sixth, a Patient.
const RESOURCES: usize = 520;

const FAMILIES: [&str; 8] = ["Okonkwo", "Müller", "Nguyễn", "Иванова", "García", "田中", "O\\\"Neil", "Żółć"];

/// The searchset.
pub fn searchset() -> String {
    let mut body = String::from(
        r#"{"resourceType":"Bundle","id":"b1","type":"searchset","total":520,"link":[{"relation":"self","url":"http://ehr.internal/fhir/Observation?_count=520"}],"entry":["#,
    );
    for number in 0..RESOURCES {
        if number > 0 {
            body.push(',');
        }
        if number % 6 == 0 { patient(&mut body, number) } else { observation(&mut body, number) }
    }
    body.push_str("]}");
    body
}

fn patient(body: &mut String, number: usize) {
    let family = FAMILIES[number % FAMILIES.len()];
    let _ = write!(
        body,
        r#"{{"fullUrl":"http://ehr.internal/fhir/Patient/p{number}","resource":{{"resourceType":"Patient","id":"p{number}","meta":{{"versionId":"{number}","lastUpdated":"2026-03-0{day}T08:15:30.123Z"}},"text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{family}, born 19{year:02}-04-1{day}, lives in Springfield, phone 555-01{number:04}</div>"}},"extension":[{{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{{"url":"ombCategory","valueCoding":{{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3","display":"White"}}}},{{"url":"text","valueString":"White"}}]}}],"identifier":[{{"use":"usual","type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}}]}},"system":"urn:oid:1.2.36.146.595.217.0.1","value":"MRN{number:08}"}}],"active":true,"name":[{{"use":"official","family":"{family}","given":["Anna{number}","Maria"]}},{{"use":"nickname","given":["A\u00e9{number}"]}}],"telecom":[{{"system":"phone","value":"(03) 5555 {number:04}","use":"work","rank":1}}],"gender":"female","birthDate":"19{year:02}-04-1{day}","deceasedBoolean":false,"address":[{{"use":"home","line":["{number} Main Street"],"city":"Springfield","state":"MA","postalCode":"0{number:04}"}}],"maritalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"Married"}}],"text":"Married"}},"managingOrganization":{{"reference":"Organization/o1","display":"Mercy"}}}},"search":{{"mode":"include"}}}}"#,
        year = number % 90 + 10,
        day = number % 9 + 1,
    );
}

fn observation(body: &mut String, number: usize) {
    let patient = number / 6 * 6;
    let _ = write!(
        body,
        r#"{{"fullUrl":"http://ehr.internal/fhir/Observation/o{number}","resource":{{"resourceType":"Observation","id":"o{number}","meta":{{"versionId":"1","lastUpdated":"2026-02-1{day}T07:28:17.239Z"}},"text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Potassium 4.{number} mmol/L for {family}</div>"}},"identifier":[{{"system":"http://www.bmc.nl/zorgportal/identifiers/observations","value":"{number:06}"}}],"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}}],"text":"Laboratory"}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"2823-3","display":"Potassium [Moles/volume] in Serum or Plasma"}},{{"system":"http://acme.example/codes","code":"K{number}","display":"Kalium"}}],"text":"Potassium"}},"subject":{{"reference":"Patient/p{patient}","display":"{family}, Anna{patient}"}},"encounter":{{"reference":"Encounter/e{number}"}},"effectiveDateTime":"2026-02-1{day}T05:30:10+01:00","issued":"2026-02-1{day}T06:30:10.000+01:00","performer":[{{"reference":"Practitioner/dr{day}","display":"Dr. Adam Careful"}}],"valueQuantity":{{"value":4.{number},"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}},"interpretation":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}}],"text":"Normal"}}],"note":[{{"text":"Drawn by \"{family}\"; patient says: fasting.\nRepeat in two weeks."}}],"referenceRange":[{{"low":{{"value":3.5,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}},"high":{{"value":5.10,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}},"type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/referencerange-meaning","code":"normal","display":"Normal Range"}}],"text":"Normal Range"}}}}],"component":[{{"code":{{"coding":[{{"system":"http://loinc.org","code":"2951-2","display":"Sodium [Moles/volume] in Serum or Plasma"}}],"text":"Sodium"}},"valueQuantity":{{"value":139.{number},"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}}}]}},"search":{{"mode":"match"}}}}"#,
        family = FAMILIES[patient % FAMILIES.len()],
        day = number % 9,
    );
}

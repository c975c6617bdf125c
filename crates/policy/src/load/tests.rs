//! Slips of a policy file, and what is said of each.

mod calls;

use expect_test::{Expect, expect};

use crate::fault::render;
use crate::{Policy, PolicyFile};

fn load(texts: &[&str]) -> Result<Policy, Vec<crate::fault::Fault>> {
    let files: Vec<PolicyFile> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| PolicyFile { name: format!("policy/{index}.toml"), text: (*text).to_owned() })
        .collect();
    Policy::load(&files)
}

fn check(texts: &[&str], expected: &Expect) {
    let shown = match load(texts) {
        Ok(policy) => format!("{} roles", policy.roles().count()),
        Err(faults) => render(&faults, "Nothing was started."),
    };
    expected.assert_eq(&shown);
}

const ROLE: &str = "[role.desk]\ntitle = \"Desk\"\npurpose = [\"HOPERAT\"]\napi = \"ehr\"\n";

/// A role with one grant of these lines.
fn grant(lines: &str) -> String {
    format!("{ROLE}[[role.desk.grant]]\n{lines}")
}

const SOUND: &str = "resource = \"Appointment\"\ninteractions = [\"read\"]\nelements = [\"start\"]\n";

#[test]
fn a_sound_file_loads() {
    check(&[&grant(SOUND)], &expect!["1 roles"]);
}

#[test]
fn a_wrong_element_is_marked_and_mended() {
    check(
        &[&grant("resource = \"Appointment\"\ninteractions = [\"read\"]\nelements = [\"startt\"]\n")],
        &expect![[r#"
            error: no such element: `Appointment.startt`
             --> policy/0.toml:8:13
              |
            8 | elements = ["startt"]
              |             ^^^^^^^^ did you mean `start`?
            1 error. Nothing was started.
        "#]],
    );
}

#[test]
fn every_fault_of_every_file_is_found_at_once() {
    let first = grant("resource = \"Apointment\"\ninteractions = [\"raed\"]\nelements = \"*\"\nserch = [\"date\"]\n");
    let second = "[role.nurse]\ntitle = \"Nurses\"\npurpose = [\"treatment\"]\n[[role.nurse.grant]]\nresource = \"Patient\"\ninteractions = [\"read\"]\nelements = [\"nmae\"]\n";
    check(
        &[&first, second],
        &expect![[r#"
        error: no such resource type: `Apointment`
         --> policy/0.toml:6:12
          |
        6 | resource = "Apointment"
          |            ^^^^^^^^^^^^ did you mean `Appointment`?
        error: no such interaction: `raed`
         --> policy/0.toml:7:17
          |
        7 | interactions = ["raed"]
          |                 ^^^^^^ did you mean `read`?
        error: unknown key `serch` in `role.desk.grant[0]`
         --> policy/0.toml:9:1
          |
        9 | serch = ["date"]
          | ^^^^^ did you mean `search`?
        error: no such purpose of use: `treatment`
         --> policy/1.toml:3:12
          |
        3 | purpose = ["treatment"]
          |            ^^^^^^^^^^^ did you mean `TREAT`?
        error: `role.nurse.grant[0]` names no api
         --> policy/1.toml:4:1
          |
        4 | [[role.nurse.grant]]
          | ^^^^^^^^^^^^^^^^^^^^ write api = "…" here or in [role.nurse]
        error: no such element: `Patient.nmae`
         --> policy/1.toml:7:13
          |
        7 | elements = ["nmae"]
          |             ^^^^^^ did you mean `name`?
        6 errors. Nothing was started.
    "#]],
    );
}

#[test]
fn a_parameter_whose_element_is_not_granted_is_refused() {
    check(
        &[&grant(
            "resource = \"Appointment\"\ninteractions = [\"search\"]\nelements = [\"start\"]\nsearch = [\"date\", \"status\", \"_sort:status\", \"reason\", \"code:text\", \"_include\", \"_text\", \"date\"]\n",
        )],
        &expect![[r#"
            error: `date` is named twice
             --> policy/0.toml:9:11
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |           ^^^^^^ name it once
            error: `status` searches `Appointment.status`, which is not granted here
             --> policy/0.toml:9:19
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                   ^^^^^^^^ grant the element or remove the parameter
            error: `_sort:status` searches `Appointment.status`, which is not granted here
             --> policy/0.toml:9:29
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                             ^^^^^^^^^^^^^^ grant the element or remove the parameter
            error: Appointment has no search parameter `reason`
             --> policy/0.toml:9:45
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                                             ^^^^^^^^ did you mean `reason-code`?
            error: `code:text` has a modifier
             --> policy/0.toml:9:55
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                                                       ^^^^^^^^^^^ write the plain name; a modifier is permitted by the elements that it reads
            error: `_include` cannot be listed
             --> policy/0.toml:9:68
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                                                                    ^^^^^^^^^^ it is permitted by the types and parameters that it names
            error: `_text` searches `Appointment.*`, which is not granted here
             --> policy/0.toml:9:80
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                                                                                ^^^^^^^ grant the element or remove the parameter
            error: `date` is named twice
             --> policy/0.toml:9:89
              |
            9 | search = ["date", "status", "_sort:status", "reason", "code:text", "_include", "_text", "date"]
              |                                                                                         ^^^^^^ name it once
            8 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn lists_are_composed_and_may_not_lead_back() {
    let sound = format!(
        "{}\n[elements]\ntimes = [\"start\", \"end\"]\nall = [\"@times\", \"status\"]\n",
        grant("resource = \"Appointment\"\ninteractions = [\"read\"]\nelements = [\"@all\"]\n")
    );
    check(&[&sound], &expect!["1 roles"]);
    let circle = format!("{}\n[elements]\na = [\"@b\"]\nb = [\"@a\"]\n", grant(SOUND));
    check(
        &[&circle],
        &expect![[r#"
        error: the list `a` leads back to itself
          --> policy/0.toml:11:1
           |
        11 | a = ["@b"]
           | ^ through a, b
        error: the list `b` leads back to itself
          --> policy/0.toml:12:1
           |
        12 | b = ["@a"]
           | ^ through b, a
        2 errors. Nothing was started.
    "#]],
    );
    let unknown = format!(
        "{}\n[elements]\ntimes = [\"start\"]\n",
        grant("resource = \"Appointment\"\ninteractions = [\"read\"]\nelements = [\"@time\"]\n")
    );
    check(
        &[&unknown],
        &expect![[r#"
        error: no such list: `@time`
         --> policy/0.toml:8:13
          |
        8 | elements = ["@time"]
          |             ^^^^^^^ did you mean `times`?
        1 error. Nothing was started.
    "#]],
    );
    let twice = format!("{}\n[elements]\ntimes = [\"start\"]\n", grant(SOUND));
    check(
        &[&twice, "[elements]\ntimes = [\"end\"]\n"],
        &expect![[r#"
        error: the list `times` is defined twice
         --> policy/1.toml:2:1
          |
        2 | times = ["end"]
          | ^^^^^ it stands in policy/0.toml already
        1 error. Nothing was started.
    "#]],
    );
}

#[test]
fn what_is_said_twice_is_refused() {
    check(
        &[&grant(SOUND), &grant(SOUND)],
        &expect![[r#"
        error: role `desk` is defined twice
         --> policy/1.toml:1:7
          |
        1 | [role.desk]
          |       ^^^^ it stands in policy/0.toml already
        1 error. Nothing was started.
    "#]],
    );
    check(
        &[&format!("{}[[role.desk.grant]]\n{SOUND}", grant(SOUND))],
        &expect![[r#"
        error: `desk.grant[1]` says the same as `desk.grant[0]`
         --> policy/0.toml:1:7
          |
        1 | [role.desk]
          |       ^^^^ remove the one in line 9
        1 error. Nothing was started.
    "#]],
    );
    check(
        &[&grant("resource = [\"Appointment\", \"Appointment\"]\ninteractions = [\"read\"]\nelements = [\"start\"]\n")],
        &expect![[r#"
            error: `Appointment` is named twice
             --> policy/0.toml:6:13
              |
            6 | resource = ["Appointment", "Appointment"]
              |             ^^^^^^^^^^^^^ name it once
            error: `Appointment` is named twice
             --> policy/0.toml:6:28
              |
            6 | resource = ["Appointment", "Appointment"]
              |                            ^^^^^^^^^^^^^ name it once
            2 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn the_own_record_is_asked_for_types_that_have_an_owner() {
    check(
        &[&grant("resource = \"Medication\"\npatients = \"own\"\ninteractions = [\"read\"]\nelements = \"*\"\n")],
        &expect![[r#"
            error: `Medication` lies in no patient's compartment, so it cannot be granted for `own`
             --> policy/0.toml:6:12
              |
            6 | resource = "Medication"
              |            ^^^^^^^^^^^^ grant it by itself, with patients = "everyone"
            1 error. Nothing was started.
        "#]],
    );
}

#[test]
fn a_write_says_what_it_may_set() {
    check(
        &[&grant("resource = \"Appointment\"\ninteractions = [\"create\"]\nelements = \"*\"\n")],
        &expect![[r#"
        error: `role.desk.grant[0]` lets write and does not say what
         --> policy/0.toml:5:1
          |
        5 | [[role.desk.grant]]
          | ^^^^^^^^^^^^^^^^^^^ write writes = ["…"], or "*" for all
        1 error. Nothing was started.
    "#]],
    );
    check(
        &[&grant("resource = \"Appointment\"\ninteractions = [\"read\"]\nelements = \"*\"\nwrites = \"*\"\n")],
        &expect![[r#"
            error: `role.desk.grant[0]` has `writes` and no interaction that writes
             --> policy/0.toml:5:1
              |
            5 | [[role.desk.grant]]
              | ^^^^^^^^^^^^^^^^^^^ add "create", "update" or "patch"
            1 error. Nothing was started.
        "#]],
    );
    check(
        &[&grant(
            "resource = \"Appointment\"\ninteractions = [\"create\"]\nelements = \"*\"\nwrites = [\"status\"]\nvalues = { stauts = [\"booked\"] }\nreferences = { status = \"anybody\" }\n",
        )],
        &expect![[r#"
            error: no such element: `Appointment.stauts`
              --> policy/0.toml:10:12
               |
            10 | values = { stauts = ["booked"] }
               |            ^^^^^^ did you mean `status`?
            error: `references` cannot name: `anybody`
              --> policy/0.toml:11:25
               |
            11 | references = { status = "anybody" }
               |                         ^^^^^^^^^ choose one of own-patient | own-care-team
            2 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn words_of_the_wrong_kind_are_refused() {
    check(
        &[&grant(
            "resource = 7\ninteractions = [\"batch\", \"operation\"]\nelements = \"*\"\npatients = \"mine\"\nexposure = [\"public\"]\nhours = \"nine to five\"\nuntil = 2027-01-01\nonly = \"total\"\n",
        )],
        &expect![[r#"
            error: `role.desk.grant[0]` names no resource type
             --> policy/0.toml:5:1
              |
            5 | [[role.desk.grant]]
              | ^^^^^^^^^^^^^^^^^^^ write resource = "…"
            error: `resource` should be a string or a list of strings, found integer
             --> policy/0.toml:6:12
              |
            6 | resource = 7
              |            ^
            error: `batch` is not granted: each of its entries is decided by itself
             --> policy/0.toml:7:17
              |
            7 | interactions = ["batch", "operation"]
              |                 ^^^^^^^ grant what the entries do
            error: an operation is granted by its name
             --> policy/0.toml:7:26
              |
            7 | interactions = ["batch", "operation"]
              |                          ^^^^^^^^^^^ write operations = ["everything"]
            error: no such group of patients: `mine`
             --> policy/0.toml:9:12
              |
            9 | patients = "mine"
              |            ^^^^^^ choose one of everyone | own | represented | in-context | related | myself
            error: no such exposure: `public`
              --> policy/0.toml:10:13
               |
            10 | exposure = ["public"]
               |             ^^^^^^^^ choose one of internal | external | third-party
            error: `nine to five` are no hours of the day
              --> policy/0.toml:11:9
               |
            11 | hours = "nine to five"
               |         ^^^^^^^^^^^^^^ write them as "07:00-19:00 -05:00"
            error: `2027-01-01` is no instant
              --> policy/0.toml:12:9
               |
            12 | until = 2027-01-01
               |         ^^^^^^^^^^ give it a time and an offset, as 2027-01-31T00:00:00Z
            error: `only` cannot be: `total`
              --> policy/0.toml:13:8
               |
            13 | only = "total"
               |        ^^^^^^^ choose one of count
            9 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn a_role_has_a_title_a_purpose_and_a_grant() {
    check(
        &["[role.Desk]\n"],
        &expect![[r#"
        error: `Desk` is no name of a role
         --> policy/0.toml:1:7
          |
        1 | [role.Desk]
          |       ^^^^ use small letters, digits and `-`
        error: role `Desk` has no title
         --> policy/0.toml:1:7
          |
        1 | [role.Desk]
          |       ^^^^ say in words who that is: title = "…"
        error: role `Desk` has no purpose of use
         --> policy/0.toml:1:7
          |
        1 | [role.Desk]
          |       ^^^^ write purpose = ["TREAT"] or another
        error: role `Desk` grants nothing
         --> policy/0.toml:1:7
          |
        1 | [role.Desk]
          |       ^^^^ write [[role.Desk.grant]]
        4 errors. Nothing was started.
    "#]],
    );
    check(
        &["# nothing\n"],
        &expect![[r#"
        error: there is no role in any file
          --> policy
           = write [role.NAME]
        1 error. Nothing was started.
    "#]],
    );
    check(
        &[],
        &expect![[r#"
        error: there is no policy file
          --> policy
           = put at least one role into the folder
        1 error. Nothing was started.
    "#]],
    );
}

#[test]
fn syntax_is_no_reason_to_stop_looking() {
    check(
        &[&format!("{}\nthis = is not toml\n[labels]\npart-2 = [\"SUD\"]\n", grant(SOUND))],
        &expect![[r#"
            error: unknown key `this` in `role.desk.grant[0]`
              --> policy/0.toml:10:1
               |
            10 | this = is not toml
               | ^^^^ known: api, resource, only, interactions, operations, elements, profile, masks, patients, purpose, exposure, relations, organizations, hours, from, until, search, writes, values, references, targets, discloses, because
            error: string values must be quoted, expected literal string
              --> policy/0.toml:10:8
               |
            10 | this = is not toml
               |        ^^^^^^^^^^^
            error: `SUD` is no security label
              --> policy/0.toml:12:11
               |
            12 | part-2 = ["SUD"]
               |           ^^^^^ write it as `system|code`, as http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD
            3 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn emergency_access_is_for_who_treats() {
    check(
        &[&format!("{ROLE}[[role.desk.emergency]]\n{SOUND}")],
        &expect![[r#"
        error: role `desk` does not treat, so it has no emergency access
         --> policy/0.toml:5:1
          |
        5 | [[role.desk.emergency]]
          | ^^^^^^^^^^^^^^^^^^^^^^^ write treating = true
        1 error. Nothing was started.
    "#]],
    );
}

#[test]
fn a_deny_takes_one_kind_of_thing_away() {
    let deny = "[[deny]]\napi = \"ehr\"\nresource = \"Patient\"\nelements = [\"name\"]\nlabels = [\"a|b\"]\n";
    check(
        &[&grant(SOUND), deny],
        &expect![[r#"
            error: a deny takes away one kind of thing
             --> policy/1.toml:1:1
              |
            1 | [[deny]]
              | ^^^^^^^^ write one deny for elements, one for search, one for labels, one for names
            1 error. Nothing was started.
        "#]],
    );
    check(
        &[&grant(SOUND), "[[deny]]\napi = \"ehr\"\nelements = [\"name\"]\n"],
        &expect![[r#"
        error: a deny names the types that it is about
         --> policy/1.toml:1:1
          |
        1 | [[deny]]
          | ^^^^^^^^ write resource = "…", or "*" for all
        1 error. Nothing was started.
    "#]],
    );
    check(
        &[&grant(SOUND), "[[deny]]\nresource = \"*\"\n"],
        &expect![[r#"
        error: `deny[0]` names no api
         --> policy/1.toml:1:1
          |
        1 | [[deny]]
          | ^^^^^^^^ write api = "…" here
        1 error. Nothing was started.
    "#]],
    );
}

#[test]
fn the_hash_is_of_names_and_texts_in_any_order() {
    let (one, two) = (grant(SOUND), "[elements]\nx = [\"start\"]\n".to_owned());
    let file = |name: &str, text: &String| PolicyFile { name: name.to_owned(), text: text.clone() };
    let hash = |files: &[PolicyFile]| Policy::load(files).unwrap().hash().to_owned();
    let sorted = hash(&[file("a", &one), file("b", &two)]);
    assert_eq!(sorted.len(), 64);
    assert_eq!(sorted, hash(&[file("b", &two), file("a", &one)]));
    assert_ne!(sorted, hash(&[file("a", &two), file("b", &one)]));
    assert_ne!(sorted, hash(&[file("a", &one)]));
}

/// What a grant of a Patient with these lines loads as.
fn patient(lines: &str) -> String {
    grant(&format!("resource = \"Patient\"\ninteractions = [\"read\"]\n{lines}\n"))
}

#[test]
fn a_masked_element_is_named_with_its_mask_and_not_without() {
    let policy = load(&[&patient(
        "elements = [\"gender\", \"address\"]\nmasks = { birthDate = \"year\", \"address.postalCode\" = \"zip3\" }",
    )])
    .unwrap();
    let role = policy.role("desk").unwrap();
    let elements = role.grants[0].elements.values().next().unwrap();
    let shown = |path| elements.shown(bascule_fhir::ResourceType::PATIENT, path);
    assert_eq!(shown("birthDate"), Some(crate::Shown::Masked(crate::Mask::Year)));
    assert_eq!(shown("address.postalCode"), Some(crate::Shown::Masked(crate::Mask::Zip3)));
    assert_eq!(shown("address.city"), Some(crate::Shown::Plain));
    assert!(!elements.reaches(bascule_fhir::ResourceType::PATIENT, "address"));
}

#[test]
fn a_masked_element_is_not_searched_by() {
    check(
        &[&grant(
            "resource = \"Patient\"\ninteractions = [\"search\"]\nelements = [\"gender\", \"birthDate\"]\nmasks = { birthDate = \"year\" }\nsearch = [\"gender\", \"birthdate\"]\n",
        )],
        &expect![[r#"
            error: `birthdate` searches `Patient.birthDate`, which is not granted here
              --> policy/0.toml:10:21
               |
            10 | search = ["gender", "birthdate"]
               |                     ^^^^^^^^^^^ grant the element or remove the parameter
            1 error. Nothing was started.
        "#]],
    );
}

#[test]
fn a_mask_that_does_not_fit_is_refused_with_what_fits() {
    check(
        &[&patient("elements = [\"gender\"]\nmasks = { gender = \"year\", birthDate = \"yaer\", nam = \"code\" }")],
        &expect![[r#"
            error: `year` cannot be put on `Patient.gender`
             --> policy/0.toml:9:20
              |
            9 | masks = { gender = "year", birthDate = "yaer", nam = "code" }
              |                    ^^^^^^ it is put on a date or dateTime
            error: a mask cannot be: `yaer`
             --> policy/0.toml:9:40
              |
            9 | masks = { gender = "year", birthDate = "yaer", nam = "code" }
              |                                        ^^^^^^ did you mean `year`?
            error: no such element: `Patient.nam`
             --> policy/0.toml:9:48
              |
            9 | masks = { gender = "year", birthDate = "yaer", nam = "code" }
              |                                                ^^^ did you mean `name`?
            3 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn under_a_profile_a_mask_may_only_narrow() {
    check(
        &[&patient(
            "elements = \"*\"\nprofile = \"safe-harbor\"\nmasks = { birthDate = \"year\", \"identifier.value\" = \"last-four\" }",
        )],
        &expect![[r#"
            error: `safe-harbor` does not let `Patient.birthDate` out as `year`
              --> policy/0.toml:10:23
               |
            10 | masks = { birthDate = "year", "identifier.value" = "last-four" }
               |                       ^^^^^^ remove the mask: the profile has its own rule for this element
            error: `safe-harbor` does not let `Patient.identifier.value` out as `last-four`
              --> policy/0.toml:10:52
               |
            10 | masks = { birthDate = "year", "identifier.value" = "last-four" }
               |                                                    ^^^^^^^^^^^ remove the mask: the profile has its own rule for this element
            2 errors. Nothing was started.
        "#]],
    );
    check(
        &[&patient("elements = \"*\"\nprofile = \"limited-data-set\"\nmasks = { birthDate = \"year\" }")],
        &expect!["1 roles"],
    );
    check(
        &[&patient("elements = \"*\"\nprofile = \"safe-harbour\"")],
        &expect![[r#"
        error: `profile` cannot be: `safe-harbour`
         --> policy/0.toml:9:11
          |
        9 | profile = "safe-harbour"
          |           ^^^^^^^^^^^^^^ did you mean `safe-harbor`?
        1 error. Nothing was started.
    "#]],
    );
}

#[test]
fn what_defines_things_leaves_whole_or_not_at_all() {
    check(
        &[&grant("resource = \"ValueSet\"\ninteractions = [\"read\"]\nelements = [\"url\"]\n")],
        &expect![[r#"
        error: `ValueSet` cannot leave in part: its parts hold one another up
         --> policy/0.toml:5:1
          |
        5 | [[role.desk.grant]]
          | ^^^^^^^^^^^^^^^^^^^ grant it by itself with elements = "*"; it holds nothing about anybody
        1 error. Nothing was started.
    "#]],
    );
}

#[test]
fn a_rule_about_an_api_that_the_house_does_not_have_is_refused() {
    let text = "[role.desk]\ntitle = \"D\"\npurpose = [\"HOPERAT\"]\napi = \"ehr\"\n[[role.desk.grant]]\napi = [\"ehr\", \"ehr-2\"]\nresource = \"Patient\"\ninteractions = [\"read\"]\nelements = [\"name\"]\n[[role.desk.grant]]\nresource = \"Slot\"\ninteractions = [\"read\"]\nelements = [\"start\"]\n[consent.pacs]\ndefault = [\"TREAT\"]\n";
    let files = [PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() }];
    let known = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), crate::ApiKind::Fhir)).collect();
    assert!(Policy::load_for(&files, &known(&["ehr", "ehr-2", "pacs"])).is_ok());
    let places = |names: &[&str]| {
        let faults = Policy::load_for(&files, &known(names)).unwrap_err();
        faults.iter().map(|fault| (fault.line, fault.message.clone())).collect::<Vec<_>>()
    };
    assert_eq!(places(&["ehr", "pacs"]), [(6, "no such api: `ehr-2`".to_owned())]);
    assert_eq!(places(&["ehr-2", "pacs"]).len(), 2, "the role's own word, once, and the grant's");
    assert_eq!(places(&["ehr", "ehr-2"]), [(14, "no such api: `pacs`".to_owned())]);
}

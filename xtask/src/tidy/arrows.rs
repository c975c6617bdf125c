//! The arrows of the house: which room may import which. A new arrow changes the design; it is drawn on the page first.

use super::Fault;

/// Each room with the rooms right below it. What they reach, it may import too.
const ARROWS: [(&str, &[&str]); 20] = [
    ("app", &["scanner", "gateway", "exchange", "console", "demo", "ehr", "wire"]),
    ("scanner", &["store", "wire"]),
    ("gateway", &["store", "wire"]),
    ("exchange", &["store", "wire"]),
    ("console", &["store", "wire"]),
    ("demo", &["fhir", "wire"]),
    ("ehr", &["fhir", "wire"]),
    ("store", &["risk", "watch", "audit", "ledger"]),
    ("risk", &["inventory"]),
    ("watch", &["inventory"]),
    ("audit", &["minimum"]),
    ("minimum", &["policy"]),
    ("inventory", &["policy"]),
    ("policy", &["hl7", "smart", "fhir"]),
    ("hl7", &["fhir"]),
    ("smart", &["fhir", "crypto"]),
    ("ledger", &["crypto"]),
    ("fhir", &[]),
    ("crypto", &[]),
    ("wire", &[]),
];

/// Rooms that would belong to nobody.
const NO_ROOMS: [&str; 5] = ["common", "core", "utils", "util", "shared"];

pub(super) fn faults(name: &str, content: &str) -> Vec<Fault> {
    let room = name.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"));
    let Some(room) = room.filter(|room| !room.contains('/')) else { return Vec::new() };
    let mut all = Vec::new();
    if NO_ROOMS.contains(&room) {
        all.push(Fault::new(name, 1, "no room is called so; find out whose word it is"));
    } else if below(room).is_none() {
        all.push(Fault::new(name, 1, "the room is not drawn; draw its arrows on the page and here"));
    }
    if !content.lines().any(|line| line.trim() == "[lints]") {
        all.push(Fault::new(name, 1, "the room has no `[lints] workspace = true`"));
    }
    for (imported, line) in imports(content) {
        if !reaches(room, imported) {
            let what =
                format!("`{room}` imports `{imported}`, but no arrow leads there; turn the call round, or draw it");
            all.push(Fault::new(name, line, what));
        }
    }
    all
}

fn below(room: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == room).map(|(_, below)| *below)
}

/// Whether arrows lead down from one room to another.
fn reaches(from: &str, to: &str) -> bool {
    below(from).is_some_and(|rooms| rooms.iter().any(|room| *room == to || reaches(room, to)))
}

/// Our own crates among the dependencies, tests' included, with their lines.
fn imports(content: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut in_dependencies = false;
    content.lines().zip(1..).filter_map(move |(line, number)| {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        }
        let name = line.strip_prefix("bascule-").filter(|_| in_dependencies)?;
        name.split(['.', ' ', '=']).next().map(|name| (name, number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(room: &str, imports: &[&str], expected: usize) {
        let lines: String = imports.iter().map(|name| format!("bascule-{name}.workspace = true\n")).collect();
        let content =
            format!("[package]\nname = \"bascule-{room}\"\n[lints]\nworkspace = true\n[dependencies]\n{lines}");
        assert_eq!(faults(&format!("crates/{room}/Cargo.toml"), &content).len(), expected, "{room} {imports:?}");
    }

    #[test]
    fn a_room_may_import_what_it_reaches() {
        check("gateway", &["store", "wire", "policy", "fhir", "crypto"], 0);
        check("ledger", &["crypto"], 0);
        check("audit", &["minimum", "policy", "smart", "fhir"], 0);
    }

    #[test]
    fn up_and_sideways_are_found() {
        check("fhir", &["policy"], 1);
        check("ehr", &["policy", "store"], 2);
        check("gateway", &["ehr", "console"], 2);
        check("ledger", &["fhir"], 1);
        check("policy", &["wire"], 1);
    }

    #[test]
    fn a_room_that_is_not_drawn_is_found() {
        check("utils", &[], 1);
        check("attic", &[], 1);
        assert!(faults("crates/gateway/fuzz/Cargo.toml", "").is_empty());
        assert_eq!(faults("crates/fhir/Cargo.toml", "[package]\n").len(), 1, "no lints");
    }

    #[test]
    fn no_arrow_leads_back() {
        for (room, _) in ARROWS {
            assert!(!reaches(room, room), "{room}");
        }
    }
}

//! What a newcomer reads first.

use super::state::State;

/// The welcome, in at most 80 columns where names allow it.
pub(crate) fn welcome(state: &State, data: &str, program: &str) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line("");
    line("  Bascule is open.");
    line("");
    line(&format!("  portal      {}", state.portal));
    line(&format!("  chart       {}chart    (clinicians; opens the portal about a patient)", state.portal));
    line(&format!("  FHIR base   {}", state.fhir));
    line(&format!("  authority   {}", state.ca));
    line("              (a development CA: trust it in a browser of its own, or pass it to curl)");
    line("");
    line("  Sign in as");
    for (name, user) in &state.users {
        line(&format!("    {name:<14} {:<44} {}", user.password, user.about));
    }
    line("");
    line("  Apps");
    for (name, client) in state.clients.iter().filter(|(_, client)| client.key.is_some()) {
        line(&format!("    {name:<14} private_key_jwt   {}", client.scope));
    }
    line("");
    line("  Try");
    let token = |name: &str| format!("$({program} demo token {name} --data {data})");
    line(&format!(
        "    curl --cacert {} -H \"Authorization: Bearer {}\" '{}/Appointment?_count=3'",
        state.ca,
        token("scheduler-app"),
        state.fhir
    ));
    line(&format!(
        "    curl --cacert {} -H \"Authorization: Bearer {}\" '{}/Observation'    # refused",
        state.ca,
        token("scheduler-app"),
        state.fhir
    ));
    if !state.mllp.is_empty() {
        line(&format!(
            "    {program} exchange send result.hl7 --to {}    # HL7 v2 of facility MERCYLAB; docs/exchange.md",
            state.mllp
        ));
    }
    line(&format!("    {program} audit verify --config {data}/bascule.toml"));
    line("");
    line("  Ctrl-C ends it; the next start finds everything again.");
    out
}

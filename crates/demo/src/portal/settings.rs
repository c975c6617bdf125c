//! What the portal must be told before it opens.

use bascule_wire::TlsError;
use time::UtcOffset;
use url::Url;

/// Where the bridge is, which client the portal is there, and the portal's own bounds.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// The portal's own origin as browsers see it: `https://localhost:8444`, without a path.
    pub public_url: String,
    /// The FHIR base at the bridge: `https://localhost:8443/fhir`.
    pub bridge_fhir_base: String,
    /// The portal's `client_id` at the bridge.
    pub client_id: String,
    /// The secret of a confidential client; `None`: a public client that proves itself by PKCE alone.
    pub client_secret: Option<String>,
    /// The path to which the bridge sends the browser back; register `public_url` + this as redirect URI.
    pub redirect_path: &'static str,
    /// SMART scopes to ask for.
    pub scopes: Vec<String>,
    /// PEM of the only authorities trusted for the bridge; `None` trusts the operating system's.
    pub ca_pem: Option<String>,
    /// The name of the house, on every page.
    pub organization: String,
    /// How far the house's clock is from UTC: what "today" means on the pages.
    pub utc_offset: UtcOffset,
    /// A session that is not used for so long ends, in seconds.
    pub session_idle_seconds: u64,
    /// Sessions at once; the one unused longest gives way.
    pub sessions_max: usize,
    /// Sign-ins begun and not finished; the oldest gives way.
    pub sign_ins_max: usize,
    /// Bound on one answer of the bridge, in bytes.
    pub answer_bytes_max: usize,
    /// Pages of one search that are followed.
    pub search_pages_max: usize,
}

impl PortalSettings {
    /// What the portal asks for: to read the own record, to write to the care team, to cancel an appointment.
    pub const SCOPES: [&'static str; 4] =
        ["launch/patient", "patient/*.rs", "patient/Communication.c", "patient/Appointment.u"];
    /// The path to which the bridge sends the browser back.
    pub const REDIRECT_PATH: &'static str = "/signed-in";
    /// The path at which a chart launches the portal; register `public_url` + this as `initiate_login_uri`.
    pub const LAUNCH_PATH: &'static str = "/launch";
    /// What the chart beside the portal asks for: its patients, and to launch apps about them.
    pub const CHART_SCOPES: [&'static str; 4] = ["openid", "fhirUser", "user/Patient.rs", "smart/orchestrate_launch"];
    /// The path to which the bridge sends a clinician's browser back.
    pub const CHART_REDIRECT_PATH: &'static str = "/chart/signed-in";

    /// The usual bounds for a portal at `public_url` in front of `bridge_fhir_base`.
    #[must_use]
    pub fn new(public_url: &str, bridge_fhir_base: &str, client_id: &str) -> Self {
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            bridge_fhir_base: bridge_fhir_base.trim_end_matches('/').to_owned(),
            client_id: client_id.to_owned(),
            client_secret: None,
            redirect_path: Self::REDIRECT_PATH,
            scopes: Self::SCOPES.map(String::from).to_vec(),
            ca_pem: None,
            organization: String::from("Mercy Hospital"),
            utc_offset: UtcOffset::from_hms(-7, 0, 0).unwrap_or(UtcOffset::UTC),
            session_idle_seconds: 900,
            sessions_max: 10_000,
            sign_ins_max: 1_000,
            answer_bytes_max: 8 * 1024 * 1024,
            search_pages_max: 10,
        }
    }

    /// The whole redirect URI.
    #[must_use]
    pub fn redirect_url(&self) -> String {
        format!("{}{}", self.public_url, self.redirect_path)
    }

    /// The same for the chart: the other client of this origin.
    pub(super) fn of_chart(&self) -> Self {
        Self {
            client_id: crate::cast::CHART.to_owned(),
            client_secret: None,
            redirect_path: Self::CHART_REDIRECT_PATH,
            scopes: Self::CHART_SCOPES.map(String::from).to_vec(),
            ..self.clone()
        }
    }

    /// Whether a patient must be in context.
    pub(super) fn is_about_a_patient(&self) -> bool {
        self.scopes.iter().any(|scope| scope.starts_with("launch"))
    }

    pub(super) fn check(&self) -> Result<(), PortalError> {
        let own = address("public_url", &self.public_url)?;
        if own.path() != "/" {
            return Err(PortalError::Address {
                setting: "public_url",
                found: self.public_url.clone(),
                want: "no path",
            });
        }
        address("bridge_fhir_base", &self.bridge_fhir_base).map(drop)
    }
}

fn address(setting: &'static str, text: &str) -> Result<Url, PortalError> {
    let fault = |want| PortalError::Address { setting, found: text.to_owned(), want };
    let url = Url::parse(text).map_err(|_| fault("an absolute https address"))?;
    if url.scheme() != "https" {
        return Err(fault("https: a token never travels in the clear"));
    }
    Ok(url)
}

/// Why a portal cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// An address that is none, or not https.
    #[error("{setting} is `{found}`; it must be {want}")]
    Address {
        /// Which setting.
        setting: &'static str,
        /// What it says.
        found: String,
        /// What it must be.
        want: &'static str,
    },
    /// The authority's certificate cannot be read.
    #[error("ca_pem: {0}")]
    Trust(#[from] TlsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(public_url: &str, base: &str) -> Result<(), String> {
        PortalSettings::new(public_url, base, "portal").check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_portal_in_the_clear_is_refused() {
        assert!(check("http://localhost:8444", "https://localhost/fhir").unwrap_err().contains("public_url"));
        assert!(check("https://localhost:8444", "http://localhost/fhir").unwrap_err().contains("bridge_fhir_base"));
        assert_eq!(check("https://localhost:8444/", "https://localhost/fhir"), Ok(()));
    }

    #[test]
    fn a_portal_under_a_path_is_refused() {
        assert!(check("https://localhost/portal", "https://localhost/fhir").unwrap_err().contains("no path"));
    }
}

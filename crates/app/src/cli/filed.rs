//! Verbs for records about patients and for links between their ids.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RecordsArgs;

/// What every new record says.
#[derive(Debug, Args)]
pub(crate) struct AboutArgs {
    /// The patient: `API/ID`, or `ID` in the first API
    #[arg(long)]
    pub(crate) patient: String,
    /// Bascule's id for the record; without it, one is made
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// First day, `YYYY-MM-DD`; without it, from now on
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Last day, `YYYY-MM-DD`
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Who says so, or where the paper is
    #[arg(long)]
    pub(crate) source: Option<String>,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// The record's id
    pub(crate) id: String,
    /// Why
    #[arg(long)]
    pub(crate) because: String,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OfPatientArgs {
    /// Only those of this patient: `API/ID`, or `ID` in the first API
    #[arg(long)]
    pub(crate) patient: Option<String>,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file (`-` is standard input)
    pub(crate) file: PathBuf,
    /// Where it comes from: a later import of the same source replaces records of the same id
    #[arg(long)]
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

/// What a consent or restriction is about.
#[derive(Debug, Args)]
pub(crate) struct WhatArgs {
    /// About this organization, client or user, or `API/Practitioner/ID`; may be repeated; without it, everybody
    #[arg(long = "towards", value_name = "WHOM")]
    pub(crate) towards: Vec<String>,
    /// For this purpose of use, may be repeated; without it, every purpose
    #[arg(long = "purpose")]
    pub(crate) purposes: Vec<String>,
    /// About this resource type, may be repeated; without it, every type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// About resources with this security label, `system|code` or `SUD`; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentVerb {
    /// File what a patient permitted or refused
    Add {
        /// The patient lets it out
        #[arg(long, conflicts_with = "deny", required_unless_present = "deny")]
        permit: bool,
        /// The patient keeps it back
        #[arg(long)]
        deny: bool,
        #[command(flatten)]
        what: WhatArgs,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// End one, from the next request on
    End(EndArgs),
    /// Those on file
    List(OfPatientArgs),
    /// FHIR Consents (a resource, a Bundle, NDJSON), or one JSON object a line with the words of `add`
    Import {
        #[command(flatten)]
        import: ImportArgs,
        /// The API in which the ids of FHIR Consents count
        #[arg(long)]
        api: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestrictionVerb {
    /// File a restriction that a patient was granted (45 CFR 164.522(a))
    Add {
        /// Kept from every health plan: the patient paid in full (164.522(a)(1)(vi))
        #[arg(long)]
        health_plans: bool,
        #[command(flatten)]
        what: WhatArgs,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// End one, from the next request on
    End(EndArgs),
    /// Those on file
    List(OfPatientArgs),
    /// One JSON object a line with the words of `add`
    Import(ImportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthorizationVerb {
    /// File an authorization that a patient signed (45 CFR 164.508)
    Add {
        /// The organization or client that it names
        #[arg(long)]
        recipient: String,
        /// It is one for psychotherapy notes (164.508(a)(2)), which no other covers
        #[arg(long)]
        psychotherapy_notes: bool,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// End one, from the next request on
    End(EndArgs),
    /// Those on file
    List(OfPatientArgs),
    /// One JSON object a line with the words of `add`
    Import(ImportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RepresentationVerb {
    /// File that somebody stands for a patient (45 CFR 164.502(g))
    Add {
        /// The user's name
        #[arg(long)]
        user: String,
        /// `parent`, `guardian-of-minor`, `guardian`, `health-care-proxy`, `power-of-attorney`, `executor`, `court-order`, `other`
        #[arg(long)]
        basis: String,
        /// The paper that shows it
        #[arg(long)]
        document: String,
        /// Who saw the paper
        #[arg(long)]
        verified_by: String,
        /// The patient's day of birth: the record ends by itself at the age that the policy sets
        #[arg(long, value_name = "DAY")]
        born: Option<String>,
        /// What the representative sees when choosing: `Ana, my daughter`
        #[arg(long)]
        label: Option<String>,
        /// Only this resource type, may be repeated
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
        #[command(flatten)]
        about: Box<AboutArgs>,
    },
    /// Stop one on suspected abuse (164.502(g)(5)), from the next request on
    Suspend(EndArgs),
    /// Let a suspended one act again
    Restore(EndArgs),
    /// End one, from the next request on
    End(EndArgs),
    /// Those on file
    List(OfPatientArgs),
    /// One JSON object a line with the words of `add`
    Import(ImportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldVerb {
    /// Withhold an item from the patient's own lane (45 CFR 164.524(a))
    Add {
        /// What: `Observation/o1`
        #[arg(long)]
        item: String,
        /// The ground, with its citation
        #[arg(long)]
        ground: String,
        /// The licensed professional who decided
        #[arg(long)]
        by: String,
        /// The day on which it is looked at again
        #[arg(long, value_name = "DAY")]
        review: String,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// End one, from the next request on
    End(EndArgs),
    /// Those on file
    List(OfPatientArgs),
    /// One JSON object a line with the words of `add`
    Import(ImportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum LinkVerb {
    /// Say that two ids are the same person; two persons become one
    Add {
        /// `API/ID`
        one: String,
        /// `API/ID`
        other: String,
        /// The identifier by which they were matched, `system|value`
        #[arg(long)]
        identifier: Option<String>,
        /// Who says so
        #[arg(long, default_value = "registrar")]
        source: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Take an id out of the person that it is, from the next request on
    End {
        /// `API/ID`
        patient: String,
        /// It never was this person: nothing that was filed under the others follows it
        #[arg(long)]
        wrong: bool,
        /// Why
        #[arg(long)]
        because: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// A table of a master patient index: CSV with `system,identifier,api,patient`; what it no longer has is ended
    Import(ImportArgs),
    /// Those on file
    List(OfPatientArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_verb_is_there_twice() {
        crate::cli::Cli::command().debug_assert();
    }
}

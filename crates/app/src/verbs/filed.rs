//! From the words of the command line to acts on records about patients.

use std::path::Path;

use crate::admin::Act;
use crate::admin::filed::{Add, FiledAct, LinkAct, Names};
use crate::cli::RecordsArgs;
use crate::cli::filed::{
    AboutArgs, AuthorizationVerb, ConsentVerb, EndArgs, HoldVerb, ImportArgs, LinkVerb, OfPatientArgs,
    RepresentationVerb, RestrictionVerb, WhatArgs,
};

type Asked = (Act, RecordsArgs);

impl ConsentVerb {
    /// # Errors
    /// If the file of an import cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<Asked> {
        let kind = Names::Consent;
        Ok(match self {
            Self::Add { permit, deny: _, what, about } => {
                let decision = Some(if permit { "permit" } else { "deny" }.to_owned());
                add(kind, Add { decision, ..what_of(what) }, about)
            }
            Self::End(args) => end(kind, args),
            Self::List(args) => list(kind, args),
            Self::Import { import: args, api } => import(kind, args, api)?,
        })
    }
}

impl RestrictionVerb {
    /// # Errors
    /// If the file of an import cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<Asked> {
        let kind = Names::Restriction;
        Ok(match self {
            Self::Add { health_plans, what, about } => add(kind, Add { health_plans, ..what_of(what) }, about),
            Self::End(args) => end(kind, args),
            Self::List(args) => list(kind, args),
            Self::Import(args) => import(kind, args, None)?,
        })
    }
}

impl AuthorizationVerb {
    /// # Errors
    /// If the file of an import cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<Asked> {
        let kind = Names::Authorization;
        Ok(match self {
            Self::Add { recipient, psychotherapy_notes, about } => {
                add(kind, Add { recipient: Some(recipient), psychotherapy_notes, ..Add::default() }, about)
            }
            Self::End(args) => end(kind, args),
            Self::List(args) => list(kind, args),
            Self::Import(args) => import(kind, args, None)?,
        })
    }
}

impl RepresentationVerb {
    /// # Errors
    /// If the file of an import cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<Asked> {
        let kind = Names::Representation;
        let suspend = |args: EndArgs, suspended| {
            let act_on = FiledAct::Suspend { id: args.id, suspended, because: args.because };
            (Act::Filed { act_on }, args.records)
        };
        Ok(match self {
            Self::Add { user, basis, document, verified_by, born, label, types, about } => {
                let says = Add {
                    user: Some(user),
                    basis: Some(basis),
                    document: Some(document),
                    verified_by: Some(verified_by),
                    born,
                    label,
                    types,
                    ..Add::default()
                };
                add(kind, says, *about)
            }
            Self::Suspend(args) => suspend(args, true),
            Self::Restore(args) => suspend(args, false),
            Self::End(args) => end(kind, args),
            Self::List(args) => list(kind, args),
            Self::Import(args) => import(kind, args, None)?,
        })
    }
}

impl HoldVerb {
    /// # Errors
    /// If the file of an import cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<Asked> {
        let kind = Names::Hold;
        Ok(match self {
            Self::Add { item, ground, by, review, about } => {
                let says = Add {
                    item: Some(item),
                    ground: Some(ground),
                    by: Some(by),
                    review: Some(review),
                    ..Add::default()
                };
                add(kind, says, about)
            }
            Self::End(args) => end(kind, args),
            Self::List(args) => list(kind, args),
            Self::Import(args) => import(kind, args, None)?,
        })
    }
}

impl LinkVerb {
    /// # Errors
    /// If the file of an import cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<Asked> {
        let (act_on, records) = match self {
            Self::Add { one, other, identifier, source, records } => {
                (LinkAct::Add { one, other, identifier, source }, records)
            }
            Self::End { patient, wrong, because, records } => (LinkAct::End { patient, wrong, because }, records),
            Self::Import(args) => (LinkAct::Import { text: text_of(&args.file)?, source: args.source }, args.records),
            Self::List(args) => (LinkAct::List { patient: args.patient }, args.records),
        };
        Ok((Act::Link { act_on }, records))
    }
}

fn what_of(what: WhatArgs) -> Add {
    let WhatArgs { towards, purposes, types, labels } = what;
    Add { towards, purposes, types, labels, ..Add::default() }
}

fn add(kind: Names, says: Add, about: AboutArgs) -> Asked {
    let AboutArgs { patient, id, from, until, source, records } = about;
    let add = Box::new(Add { patient, id, from, until, source, ..says });
    (Act::Filed { act_on: FiledAct::Add { kind, add } }, records)
}

fn end(kind: Names, args: EndArgs) -> Asked {
    (Act::Filed { act_on: FiledAct::End { kind, id: args.id, because: args.because } }, args.records)
}

fn list(kind: Names, args: OfPatientArgs) -> Asked {
    (Act::Filed { act_on: FiledAct::List { kind, patient: args.patient } }, args.records)
}

fn import(kind: Names, args: ImportArgs, api: Option<String>) -> std::io::Result<Asked> {
    let act_on = FiledAct::Import { kind, text: text_of(&args.file)?, source: args.source, api };
    Ok((Act::Filed { act_on }, args.records))
}

fn text_of(file: &Path) -> std::io::Result<String> {
    if file.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) }
}

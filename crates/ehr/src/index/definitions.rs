//! The search parameters of every type with their numbers in this file, and their expressions read once.

use bascule_fhir::ResourceType;
use bascule_fhir::search::{Component, SearchKind, SearchParameter, parameters};

use super::extract::{Path, read_path};
use super::shape;
use crate::EhrError;
use crate::fnv::Fnv;
use crate::store::Codes;

/// All types.
pub(crate) struct Definitions {
    by_type: Vec<Vec<Indexed>>,
    /// How this server names itself: references that begin so are its own.
    pub(crate) base: String,
}

/// A parameter of a type, ready to be indexed and searched.
pub(crate) struct Indexed {
    /// Its definition.
    pub(crate) parameter: &'static SearchParameter,
    /// Its number.
    pub(crate) code: i64,
    /// The number of `:identifier` (references), `:of-type` (tokens), of the longitude (`near`), or of quantities in
    /// the base units of UCUM.
    pub(crate) beside: i64,
    /// Where its values lie.
    pub(super) path: Path,
    /// Of a composite: its parts.
    pub(crate) parts: Vec<Part>,
    /// Whether the parts of this composite are whole parameters of the resource, so that it needs no rows of its own.
    pub(super) shares_rows: bool,
    /// Whether a resource has at most one value.
    pub(crate) is_single: bool,
    /// The systems of codes that stand without one: those of the value set that R4 binds a `code` to.
    pub(crate) implied: Vec<&'static str>,
}

impl Indexed {
    /// The paths of its values.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.path.as_ref().map(bascule_fhir::fhirpath::Expression::paths).unwrap_or_default()
    }
}

/// A part of a composite.
pub(crate) struct Part {
    /// Its number.
    pub(crate) code: i64,
    /// How it is compared.
    pub(crate) kind: SearchKind,
    /// Of a quantity: the number of its values in the base units of UCUM.
    pub(crate) beside: i64,
    pub(super) path: Path,
}

impl Definitions {
    /// Every name that needs a number.
    pub(crate) fn parameter_names() -> impl Iterator<Item = (ResourceType, String)> {
        ResourceType::all().flat_map(|resource| {
            parameters(resource).flat_map(names).map(move |name| (resource, name)).collect::<Vec<_>>()
        })
    }

    /// Reads the tables.
    pub(crate) fn new(codes: &Codes, base: &str) -> Result<Self, EhrError> {
        let by_type = ResourceType::all()
            .map(|resource| parameters(resource).map(|parameter| indexed(codes, resource, parameter)).collect())
            .collect::<Result<_, _>>()?;
        Ok(Self { by_type, base: base.to_owned() })
    }

    /// Differs whenever the same resource may have other index rows.
    pub(crate) fn fingerprint(&self) -> String {
        let all = self.by_type.iter().flatten().map(|indexed| indexed.parameter);
        let texts = all.flat_map(|parameter| [parameter.code, parameter.kind.name(), parameter.expression]);
        let digest = texts.chain([self.base.as_str()]).fold(Fnv::new(), |digest, text| digest.with(text));
        digest.hex()
    }

    /// The parameters of a type.
    pub(crate) fn of(&self, resource: ResourceType) -> &[Indexed] {
        self.by_type.get(resource.index()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The parameter of that name.
    pub(crate) fn named(&self, resource: ResourceType, name: &str) -> Option<&Indexed> {
        self.of(resource).iter().find(|indexed| indexed.parameter.code == name)
    }

    /// Whether a resource of the type has at most one value under the parameter of that number.
    pub(crate) fn is_single(&self, resource: ResourceType, code: i64) -> bool {
        let found = self.of(resource).iter().find(|indexed| indexed.code == code || indexed.beside == code);
        found.is_some_and(|indexed| indexed.is_single)
    }
}

fn names(parameter: &SearchParameter) -> Vec<String> {
    let mut names = vec![parameter.code.to_owned()];
    match parameter.kind {
        SearchKind::Reference => names.push(format!("{}:identifier", parameter.code)),
        SearchKind::Token => names.push(format!("{}:of-type", parameter.code)),
        SearchKind::Special => names.push(format!("{}:longitude", parameter.code)),
        SearchKind::Quantity => names.push(canonical(parameter.code)),
        SearchKind::Composite => {
            let own = |at: usize| format!("{}${at}", parameter.code);
            names.extend((0..parameter.components.len()).flat_map(|at| [own(at), canonical(&own(at))]));
        }
        _ => {}
    }
    names
}

fn canonical(name: &str) -> String {
    format!("{name}:canonical")
}

fn indexed(codes: &Codes, resource: ResourceType, parameter: &'static SearchParameter) -> Result<Indexed, EhrError> {
    let beside = match parameter.kind {
        SearchKind::Reference => format!("{}:identifier", parameter.code),
        SearchKind::Special => format!("{}:longitude", parameter.code),
        SearchKind::Quantity => canonical(parameter.code),
        _ => format!("{}:of-type", parameter.code),
    };
    let shares_rows = parameter.expression == "$this"
        && parameter.components.iter().all(|component| ordinary(resource, component).is_some());
    let part = |(at, component): (usize, &Component)| {
        let own = format!("{}${at}", parameter.code);
        let name = if shares_rows { component.code } else { &own };
        Ok(Part {
            code: codes.parameter(resource, name),
            beside: codes.parameter(resource, &canonical(name)),
            kind: component.kind,
            path: read_path(component.expression)?,
        })
    };
    let path = read_path(parameter.expression)?;
    Ok(Indexed {
        parameter,
        code: codes.parameter(resource, parameter.code),
        beside: codes.parameter(resource, &beside),
        is_single: shape::is_single(resource, &path),
        implied: shape::implied(resource, parameter.kind, &path),
        path,
        parts: parameter.components.iter().enumerate().map(part).collect::<Result<_, EhrError>>()?,
        shares_rows,
    })
}

/// The parameter that a part is, value for value.
fn ordinary(resource: ResourceType, component: &Component) -> Option<&'static SearchParameter> {
    bascule_fhir::search::parameter(resource, component.code)
        .filter(|parameter| parameter.expression == component.expression && parameter.kind == component.kind)
}

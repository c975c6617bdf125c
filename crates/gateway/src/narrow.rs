//! Writes a permit's narrowing into the call that goes upstream. The filter tests the answer once more; here it is made
//! sure that no more is asked for than may be had, as far as FHIR search can say it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bascule_fhir::{Id, Interaction, Level, Parameter, Query, ResourceType, Target, Within, compartment, search};
use bascule_policy::{Condition, Elements, Narrowing, Permit};
use bytes::Bytes;
use http::{HeaderValue, Method};

use crate::rewrite::moved_url;
use crate::settings::Limits;
use crate::upstream::Call;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json");

/// Why a permitted request cannot be put to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NarrowFault {
    /// It is about more patients than one query may name.
    #[error("the request spans more than {patients_max} patients; ask for fewer at a time")]
    TooManyPatients {
        /// `patients_per_query_max`
        patients_max: usize,
    },
    /// The query is too long for a URL, and the upstream takes no other.
    #[error("the query is longer than {bytes_max} bytes and the system behind does not take a longer one")]
    QueryTooLong {
        /// `query_bytes_max`
        bytes_max: usize,
    },
    /// A batch, a page or a capability statement is not one call.
    #[error("this interaction is not one call")]
    NotOneCall,
}

/// What a call needs to know beside the permit.
pub(crate) struct Frame<'a> {
    /// The API's base as clients write it.
    pub(crate) public_base: &'a str,
    /// The upstream's base.
    pub(crate) upstream_base: &'a str,
    /// Whether the upstream takes `POST _search`.
    pub(crate) post_search: bool,
    /// Whether another organization is asked, of which no more is asked than is needed (45 CFR 164.514(d)(4)).
    pub(crate) declares: bool,
    /// Which part of the allowed patients is meant, where they are more than one query may name; `None` where only all of
    /// them would do.
    pub(crate) part: Option<usize>,
    /// The bounds.
    pub(crate) limits: &'a Limits,
}

/// What the caller sent along, already bounded and moved to the upstream's base.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    /// The body.
    pub(crate) body: Bytes,
    /// The media type of a patch; anything else is FHIR JSON.
    pub(crate) patch_type: Option<HeaderValue>,
    /// The version that the write is about.
    pub(crate) if_match: Option<HeaderValue>,
    /// The one resource that a conditional write was found to be about.
    pub(crate) aim: Option<Id>,
    /// Whether a conditional create goes without its condition, because what matches may not be seen.
    pub(crate) unconditional: bool,
}

/// The call of a permit.
///
/// # Errors
/// [`NarrowFault`].
pub(crate) fn call(permit: &Permit, sent: Sent, frame: &Frame<'_>) -> Result<Call, NarrowFault> {
    let narrowing = permit.narrowing();
    match &permit.asked().interaction {
        Interaction::Read { resource, id, query } => {
            let query = frame.moved(&widened(&frame.declared(query, *resource, narrowing), *resource, narrowing));
            frame.get(&format!("/{resource}/{id}"), &query)
        }
        Interaction::Vread { resource, id, version } => {
            frame.get(&format!("/{resource}/{id}/_history/{version}"), &Query::default())
        }
        Interaction::History { on, query } => frame.get(&format!("{}/_history", path(on)), &frame.moved(query)),
        Interaction::Search { within, query } => frame.search(within, query, narrowing),
        Interaction::Create { resource, unless } => {
            if let Some(found) = &sent.aim {
                return frame.get(&format!("/{resource}/{found}"), &Query::default());
            }
            let condition = match unless {
                None => None,
                Some(_) if sent.unconditional => None,
                Some(query) => Some(encoded(&frame.narrowed(query, *resource, narrowing)?)),
            };
            let condition = condition.and_then(|text| HeaderValue::from_str(&text).ok());
            Ok(write(Method::POST, format!("/{resource}"), sent, condition))
        }
        Interaction::Update { resource, target } => {
            Ok(write(Method::PUT, frame.aimed(*resource, (target, sent.aim.as_ref()), narrowing)?, sent, None))
        }
        Interaction::Patch { resource, target } => {
            Ok(write(Method::PATCH, frame.aimed(*resource, (target, sent.aim.as_ref()), narrowing)?, sent, None))
        }
        Interaction::Delete { resource, target } => {
            Ok(write(Method::DELETE, frame.aimed(*resource, (target, sent.aim.as_ref()), narrowing)?, sent, None))
        }
        // An export is begun by itself, and nowhere within another request.
        Interaction::Operation { name, .. } if name == "export" => Err(NarrowFault::NotOneCall),
        Interaction::Operation { on, name, query } => {
            let address = format!("{}/${name}", path(on));
            if sent.body.is_empty() {
                return frame.get(&address, &frame.moved(query));
            }
            let address = addressed(&address, &frame.moved(query));
            Ok(write(Method::POST, address, sent, None))
        }
        Interaction::Capabilities | Interaction::Batch { .. } | Interaction::Page { .. } | Interaction::Bulk { .. } => {
            Err(NarrowFault::NotOneCall)
        }
    }
}

/// Matches that are looked through for the one that a conditional write is about.
const MATCHES_MAX: usize = 50;

/// The search that finds what a conditional write is about.
///
/// # Errors
/// [`NarrowFault`].
pub(crate) fn matching(
    permit: &Permit,
    resource: ResourceType,
    query: &Query,
    frame: &Frame<'_>,
) -> Result<Call, NarrowFault> {
    let mut query = query.clone();
    query.parameters.push(Parameter { name: "_count".to_owned(), value: MATCHES_MAX.to_string() });
    frame.search(&Within::Type(resource), &query, permit.narrowing())
}

/// The call of a page, whose address an upstream gave and the bridge sealed.
pub(crate) fn page(address: &str) -> Call {
    Call {
        method: Method::GET,
        address: address.to_owned(),
        content_type: None,
        if_none_exist: None,
        if_match: None,
        body: Bytes::new(),
    }
}

impl Frame<'_> {
    fn get(&self, path: &str, query: &Query) -> Result<Call, NarrowFault> {
        let address = addressed(path, query);
        self.fits(&address)?;
        Ok(page(&address))
    }

    fn search(&self, within: &Within, query: &Query, narrowing: &Narrowing) -> Result<Call, NarrowFault> {
        match within {
            Within::Type(resource) => {
                let query = self.narrowed(query, *resource, narrowing)?;
                if !self.post_search || query.parameters.is_empty() {
                    return self.get(&format!("/{resource}"), &query);
                }
                let body = Bytes::from(encoded(&query));
                let address = format!("/{resource}/_search");
                let content_type = Some(FORM);
                Ok(Call { method: Method::POST, address, content_type, if_none_exist: None, if_match: None, body })
            }
            Within::Compartment { of, id, resource: Some(resource) } => {
                self.get(&format!("/{of}/{id}/{resource}"), &self.narrowed(query, *resource, narrowing)?)
            }
            Within::Compartment { of, id, resource: None } => self.get(&format!("/{of}/{id}/*"), &self.moved(query)),
            Within::System => self.get("", &self.typed(query, narrowing)),
        }
    }

    /// A search of the whole system asks for the permitted types only.
    fn typed(&self, query: &Query, narrowing: &Narrowing) -> Query {
        let mut query = self.moved(query);
        if query.named("_type").next().is_none() {
            let types: Vec<_> = narrowing.types.keys().map(|resource| resource.name()).collect();
            query.parameters.push(Parameter { name: "_type".to_owned(), value: types.join(",") });
        }
        query
    }

    fn aimed(
        &self,
        resource: ResourceType,
        (target, found): (&Target, Option<&Id>),
        narrowing: &Narrowing,
    ) -> Result<String, NarrowFault> {
        let address = match (target, found) {
            (Target::Instance(id), _) | (_, Some(id)) => format!("/{resource}/{id}"),
            (Target::Matching(query), None) => {
                addressed(&format!("/{resource}"), &self.narrowed(query, resource, narrowing)?)
            }
        };
        self.fits(&address)?;
        Ok(address)
    }

    fn fits(&self, address: &str) -> Result<(), NarrowFault> {
        let bytes_max = self.limits.query_bytes_max;
        if address.len() > bytes_max { Err(NarrowFault::QueryTooLong { bytes_max }) } else { Ok(()) }
    }

    fn narrowed(&self, query: &Query, resource: ResourceType, narrowing: &Narrowing) -> Result<Query, NarrowFault> {
        let mut narrowed = self.moved(&widened(&self.declared(query, resource, narrowing), resource, narrowing));
        for condition in
            narrowing.types.get(&resource).map(|narrowing| narrowing.conditions.as_slice()).unwrap_or_default()
        {
            for parameter in said_as_search(self.part_of(condition)?.as_ref(), resource) {
                if !implied(&narrowed, &parameter) {
                    narrowed.parameters.push(parameter);
                }
            }
        }
        Ok(narrowed)
    }

    /// The query that names the elements that are granted, as its declared need, unless it names some itself.
    fn declared(&self, query: &Query, resource: ResourceType, narrowing: &Narrowing) -> Query {
        let mut query = query.clone();
        let granted = narrowing.types.get(&resource).map(|narrowing| &*narrowing.elements);
        let named = query.named("_elements").next().is_some() || query.named("_summary").next().is_some();
        if let Some(Elements::Only(paths)) = granted.filter(|_| self.declares && !named) {
            let roots = paths.iter().filter_map(|path| path.split('.').next());
            let roots: BTreeSet<&str> = roots.collect();
            let value = roots.into_iter().collect::<Vec<_>>().join(",");
            query.parameters.push(Parameter { name: "_elements".to_owned(), value });
        }
        query
    }

    /// A condition with as many patients as one query may name: all of them in the body of a `POST`, a part in a URL.
    fn part_of<'c>(&self, condition: &'c Condition) -> Result<Cow<'c, Condition>, NarrowFault> {
        let Condition::InCompartment { of, ids } = condition else { return Ok(Cow::Borrowed(condition)) };
        let patients_max = self.patients_max();
        if ids.len() <= patients_max {
            return Ok(Cow::Borrowed(condition));
        }
        let part = self.part.and_then(|part| ids.chunks(patients_max).nth(part));
        let part = part.filter(|_| !self.post_search).ok_or(NarrowFault::TooManyPatients { patients_max })?;
        Ok(Cow::Owned(Condition::InCompartment { of: *of, ids: part.into() }))
    }

    const fn patients_max(&self) -> usize {
        if self.post_search { self.limits.patients_posted_max } else { self.limits.patients_per_query_max }
    }

    /// In how many parts the allowed patients are asked for; more than one only where a search can be put together from
    /// parts: without an order of its own, and without a count.
    ///
    /// # Errors
    /// [`NarrowFault::TooManyPatients`] where it cannot.
    pub(crate) fn parts(&self, permit: &Permit) -> Result<usize, NarrowFault> {
        let Interaction::Search {
            within: Within::Type(resource) | Within::Compartment { resource: Some(resource), .. },
            query,
        } = &permit.asked().interaction
        else {
            return Ok(1);
        };
        let patients_max = self.patients_max();
        let conditions = permit.narrowing().types.get(resource).map(|narrowing| narrowing.conditions.as_slice());
        let most = conditions.unwrap_or_default().iter().map(|condition| match condition {
            Condition::InCompartment { ids, .. } => ids.len().div_ceil(patients_max.max(1)),
            _ => 1,
        });
        let parts = most.max().unwrap_or(1).max(1);
        let counts = query.named("_summary").any(|one| one.value == "count") || query.named("_total").next().is_some();
        let whole = self.post_search || counts || query.named("_sort").next().is_some();
        if parts > 1 && whole { Err(NarrowFault::TooManyPatients { patients_max }) } else { Ok(parts) }
    }

    /// The query without what is only between caller and bridge, with references on the upstream's base.
    fn moved(&self, query: &Query) -> Query {
        let passes = |parameter: &&Parameter| !matches!(parameter.name.as_str(), "_format" | "_pretty");
        let parameters = query.parameters.iter().filter(passes).map(|parameter| {
            let parts = parameter
                .value
                .split(',')
                .map(|part| moved_url(part, self.public_base, self.upstream_base).unwrap_or_else(|| part.to_owned()));
            Parameter { name: parameter.name.clone(), value: parts.collect::<Vec<_>>().join(",") }
        });
        Query { parameters: parameters.collect() }
    }
}

/// A condition as search parameters; none if FHIR search cannot say it, and then the filter alone holds it.
fn said_as_search(condition: &Condition, resource: ResourceType) -> Vec<Parameter> {
    match condition {
        Condition::InCompartment { of, ids } if *of == resource => vec![ids_of(ids)],
        Condition::InCompartment { of, ids } => compartment_parameter(resource, *of)
            .map(|name| Parameter {
                name: name.to_owned(),
                value: ids.iter().map(|id| format!("{of}/{id}")).collect::<Vec<_>>().join(","),
            })
            .into_iter()
            .collect(),
        Condition::IsOneOf(ids) => vec![ids_of(ids)],
        Condition::Matches { any_of } => match any_of.as_slice() {
            [pairs] => {
                pairs.iter().map(|(name, value)| Parameter { name: name.clone(), value: value.clone() }).collect()
            }
            several => one_of_several(several).into_iter().collect(),
        },
        Condition::HasLabel(labels) => {
            let value = labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            vec![Parameter { name: "_security".to_owned(), value }]
        }
        Condition::Not(_) | Condition::AnyOf(_) => Vec::new(),
    }
}

/// `category=a` or `category=b` is `category=a,b`.
fn one_of_several(several: &[Vec<(String, String)>]) -> Option<Parameter> {
    let singles: Option<Vec<_>> = several.iter().map(|pairs| <&[_; 1]>::try_from(pairs.as_slice()).ok()).collect();
    let singles = singles?;
    let [(name, _)] = singles.first()?;
    if singles.iter().any(|[(other, _)]| other != name) {
        return None;
    }
    let value = singles.iter().map(|[(_, value)]| value.as_str()).collect::<Vec<_>>().join(",");
    Some(Parameter { name: name.clone(), value })
}

fn ids_of(ids: &[Id]) -> Parameter {
    let value = ids.iter().map(Id::as_str).collect::<Vec<_>>().join(",");
    Parameter { name: "_id".to_owned(), value }
}

/// The one search parameter by which a type is narrowed to a compartment. Where FHIR names several for it (a patient may
/// be the subject or the performer), the subject's is taken: narrower than the compartment, never wider. Types that are
/// never in the compartment have none, and the filter lets nothing of them out.
fn compartment_parameter(resource: ResourceType, of: ResourceType) -> Option<&'static str> {
    let leading = compartment::parameters(of, resource);
    let own = search::parameter(resource, &of.name().to_ascii_lowercase())
        .filter(|parameter| !leading.is_empty() && parameter.targets.contains(&of));
    own.map(|parameter| parameter.code)
        .or_else(|| leading.iter().copied().find(|code| *code == "subject"))
        .or_else(|| leading.first().copied())
}

/// Whether the query says the same or less already: a parameter of that name all of whose values are among those.
fn implied(query: &Query, parameter: &Parameter) -> bool {
    let wanted: Vec<_> = parameter.value.split(',').map(bare).collect();
    query.named(&parameter.name).any(|asked| asked.value.split(',').all(|value| wanted.contains(&bare(value))))
}

/// `Patient/1` and `1` are the same where only patients are meant.
fn bare(reference: &str) -> &str {
    reference.strip_prefix("Patient/").unwrap_or(reference)
}

/// `_elements` of the caller, with the elements that the filter must see to know whose a resource is.
fn widened(query: &Query, resource: ResourceType, narrowing: &Narrowing) -> Query {
    let conditions =
        narrowing.types.get(&resource).map(|narrowing| narrowing.conditions.as_slice()).unwrap_or_default();
    let mut query = query.clone();
    for parameter in &mut query.parameters {
        if parameter.name != "_elements" {
            continue;
        }
        for condition in conditions {
            for name in needed_for(condition, resource) {
                if !parameter.value.split(',').any(|element| element == name) {
                    parameter.value = format!("{},{name}", parameter.value);
                }
            }
        }
    }
    query
}

fn needed_for(condition: &Condition, resource: ResourceType) -> Vec<String> {
    let of_parameters = |codes: Vec<&str>| -> Vec<String> {
        codes
            .into_iter()
            .filter_map(|code| search::parameter(resource, code.split(':').next().unwrap_or(code)))
            .flat_map(|parameter| roots(parameter.expression))
            .collect()
    };
    match condition {
        Condition::InCompartment { of, .. } => of_parameters(compartment::parameters(*of, resource).to_vec()),
        Condition::Matches { any_of } => {
            of_parameters(any_of.iter().flatten().map(|(name, _)| name.as_str()).collect())
        }
        Condition::HasLabel(_) => vec!["meta".to_owned()],
        Condition::IsOneOf(_) => Vec::new(),
        Condition::Not(all) => all.iter().flat_map(|condition| needed_for(condition, resource)).collect(),
        Condition::AnyOf(any) => any.iter().flatten().flat_map(|condition| needed_for(condition, resource)).collect(),
    }
}

/// The first elements of a FHIRPath: `subject.where(…) | performer` is `subject` and `performer`.
fn roots(expression: &str) -> impl Iterator<Item = String> {
    expression.split('|').filter_map(|path| {
        let path = path.trim().trim_start_matches('(');
        let end = path.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(path.len());
        path.get(..end).filter(|name| !name.is_empty()).map(ToOwned::to_owned)
    })
}

fn path(on: &Level) -> String {
    match on {
        Level::System => String::new(),
        Level::Type(resource) => format!("/{resource}"),
        Level::Instance(resource, id) => format!("/{resource}/{id}"),
    }
}

/// A query as it stands in a URL or a form.
pub(crate) fn encoded(query: &Query) -> String {
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    for parameter in &query.parameters {
        serializer.append_pair(&parameter.name, &parameter.value);
    }
    serializer.finish()
}

fn addressed(path: &str, query: &Query) -> String {
    if query.parameters.is_empty() { path.to_owned() } else { format!("{path}?{}", encoded(query)) }
}

fn write(method: Method, address: String, sent: Sent, if_none_exist: Option<HeaderValue>) -> Call {
    let content_type = (!sent.body.is_empty()).then(|| sent.patch_type.unwrap_or(FHIR_JSON));
    Call { method, address, content_type, if_none_exist, if_match: sent.if_match, body: sent.body }
}

#[cfg(test)]
mod tests;

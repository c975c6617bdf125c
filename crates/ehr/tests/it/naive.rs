//! Every search parameter's answer from the index against a plain reading of every resource.
//!
//! The queries are made from the values that the resources hold; the expected answer comes from code that shares
//! nothing with the index but the parameters' expressions: it looks at JSON.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::fhirpath::{Expression, Found, select, select_from};
use bascule_fhir::search::{SearchKind, SearchParameter, parameters};
use bascule_fhir::{ResourceType, search};
use serde_json::Value;
use time::{Date, Month, OffsetDateTime};
use unicode_normalization::UnicodeNormalization;

use crate::support::{BASE, Client};

/// Queries of one parameter of one type.
const QUERIES_MAX: usize = 24;

/// One value as JSON with its FHIR type.
pub(crate) type Typed<'a> = (&'a Value, &'a str);

pub(crate) fn typed<'a>(found: &Found<'a>) -> Typed<'a> {
    (found.value, found.type_name().unwrap_or_default())
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn pairs((value, kind): Typed<'_>) -> Vec<(String, String)> {
    let pair = |value: &Value, code: &str| (text(value, "system").to_owned(), text(value, code).to_owned());
    match (kind, value) {
        ("ContactPoint", _) => vec![(String::new(), text(value, "value").to_owned())],
        ("Identifier", _) => vec![pair(value, "value")],
        ("CodeableConcept", _) => {
            value["coding"].as_array().into_iter().flatten().map(|coding| pair(coding, "code")).collect()
        }
        (_, Value::Object(_)) => vec![pair(value, "code")],
        (_, Value::String(code)) => vec![(String::new(), code.clone())],
        (_, Value::Bool(truth)) => vec![(String::new(), truth.to_string())],
        (_, Value::Number(number)) => vec![(String::new(), number.to_string())],
        _ => Vec::new(),
    }
}

pub(crate) fn plain(text: &str) -> String {
    let marks = |letter: &char| !unicode_normalization::char::is_combining_mark(*letter);
    let lower: String = text.nfkd().filter(marks).collect::<String>().to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn strings((value, kind): Typed<'_>) -> Vec<String> {
    let names: &[&str] = match kind {
        "HumanName" => &["family", "given", "prefix", "suffix", "text"],
        "Address" => &["line", "city", "district", "state", "postalCode", "country", "text"],
        _ => return value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect(),
    };
    let one = |name: &&str| match &value[*name] {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    names.iter().flat_map(one).collect()
}

pub(crate) fn pointer((value, _): Typed<'_>) -> Option<String> {
    let reference = match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.contains_key("resourceType") => {
            format!("{}/{}", text(value, "resourceType"), text(value, "id"))
        }
        _ => text(value, "reference").to_owned(),
    };
    let reference = reference.strip_prefix(&format!("{BASE}/")).map(str::to_owned).unwrap_or(reference);
    let reference =
        if reference.contains("://") { reference } else { reference.split("/_history/").next().unwrap().to_owned() };
    (!reference.is_empty() && !reference.starts_with('#')).then_some(reference)
}

/// Nanoseconds from and to (not included).
pub(crate) fn span(text: &str) -> Option<(i128, i128)> {
    let number = |text: &str| text.parse::<i32>().ok();
    let day = |year: i32, month: u8, day: u8| {
        Some(
            Date::from_calendar_date(year, Month::try_from(month).ok()?, day)
                .ok()?
                .midnight()
                .assume_utc()
                .unix_timestamp_nanos(),
        )
    };
    if text.contains('T') {
        let zoned = if text.ends_with('Z') || text.get(19..).is_some_and(|rest| rest.contains(['+', '-'])) {
            text.to_owned()
        } else {
            format!("{text}Z")
        };
        let start =
            OffsetDateTime::parse(&zoned, &time::format_description::well_known::Rfc3339).ok()?.unix_timestamp_nanos();
        let digits = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        // The server keeps microseconds.
        let width = 10_i128.pow(9 - u32::try_from(digits.min(6)).ok()?);
        let start = start - start.rem_euclid(1_000);
        return Some((start, start + width));
    }
    let parts: Vec<&str> = text.split('-').collect();
    let small = |text: &str| text.parse::<u8>().ok();
    match parts.as_slice() {
        [year] => Some((day(number(year)?, 1, 1)?, day(number(year)? + 1, 1, 1)?)),
        [year, "12"] => Some((day(number(year)?, 12, 1)?, day(number(year)? + 1, 1, 1)?)),
        [year, month] => Some((day(number(year)?, small(month)?, 1)?, day(number(year)?, small(month)? + 1, 1)?)),
        [year, month, one] => {
            let start = day(number(year)?, small(month)?, small(one)?)?;
            Some((start, start + 86_400_000_000_000))
        }
        _ => None,
    }
}

pub(crate) fn times((value, kind): Typed<'_>) -> Option<(i128, i128)> {
    let edge = |name: &str| span(text(value, name));
    match kind {
        "Period" => match (edge("start"), edge("end")) {
            (None, None) => None,
            (start, end) => Some((start.map_or(i128::MIN, |one| one.0), end.map_or(i128::MAX, |one| one.1))),
        },
        "Timing" => {
            let mut all: Vec<_> =
                value["event"].as_array().into_iter().flatten().filter_map(|one| span(one.as_str()?)).collect();
            all.extend(value.pointer("/repeat/boundsPeriod").and_then(|period| times((period, "Period"))));
            let low = all.iter().map(|one| one.0).min()?;
            Some((low, all.iter().map(|one| one.1).max()?))
        }
        _ => span(value.as_str()?),
    }
}

pub(crate) fn amount(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Low, high, system, code, unit.
pub(crate) fn quantity((value, kind): Typed<'_>) -> Option<(f64, f64, String, String, String)> {
    if kind == "Range" {
        let side = |name: &str| value.get(name);
        let unit = side("low").or_else(|| side("high"))?;
        let low = side("low").and_then(|one| amount(&one["value"]));
        let high = side("high").and_then(|one| amount(&one["value"]));
        if low.is_none() && high.is_none() {
            return None;
        }
        return Some((
            low.unwrap_or(f64::MIN),
            high.unwrap_or(f64::MAX),
            text(unit, "system").into(),
            text(unit, "code").into(),
            text(unit, "unit").into(),
        ));
    }
    let point = amount(&value["value"])?;
    let (low, high) = match text(value, "comparator") {
        "<" | "<=" => (f64::MIN, point),
        ">" | ">=" => (point, f64::MAX),
        _ => (point, point),
    };
    if kind == "Money" {
        return Some((low, high, "urn:iso:std:iso:4217".into(), text(value, "currency").into(), String::new()));
    }
    Some((low, high, text(value, "system").into(), text(value, "code").into(), text(value, "unit").into()))
}

/// A decimal's reach to either side.
fn reach(text: &str) -> (f64, f64, f64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, 0), |(one, two)| (one, two.parse().unwrap()));
    let digits = mantissa.split_once('.').map_or(0, |(_, fraction)| i32::try_from(fraction.len()).unwrap());
    let value: f64 = text.parse().unwrap();
    let half = 0.5 * 10_f64.powi(exponent - digits);
    (value, value - half, value + half)
}

/// The predicate of one query.
pub(crate) type Test = Box<dyn Fn(Typed<'_>) -> bool>;

/// What is asked, and which values satisfy it; `negated` means: no value does.
pub(crate) struct Query {
    pub(crate) suffix: String,
    pub(crate) value: String,
    pub(crate) test: Test,
    pub(crate) negated: bool,
}

pub(crate) fn query(
    suffix: impl Into<String>,
    value: impl Into<String>,
    test: impl Fn(Typed<'_>) -> bool + 'static,
) -> Query {
    Query { suffix: suffix.into(), value: value.into(), test: Box::new(test), negated: false }
}

impl Query {
    /// Whether a resource with these values is found.
    pub(crate) fn finds(&self, values: &[Found<'_>]) -> bool {
        values.iter().any(|one| (self.test)(typed(one))) != self.negated
    }

    /// The value as it stands in an address.
    pub(crate) fn encoded(&self) -> String {
        encoded(&self.value.replace("%2B", "+"))
    }
}

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '\\' | ',' | '|' | '$') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

pub(crate) fn queries(kind: SearchKind, value: Typed<'_>) -> Vec<Query> {
    match kind {
        SearchKind::Token => {
            pairs(value).into_iter().filter(|(_, code)| !code.is_empty()).flat_map(token_queries).collect()
        }
        SearchKind::String => strings(value).into_iter().flat_map(|text| string_queries(&text)).collect(),
        SearchKind::Reference => pointer(value).into_iter().flat_map(reference_queries).collect(),
        SearchKind::Uri => value.0.as_str().into_iter().flat_map(|uri| uri_queries(uri.to_owned())).collect(),
        SearchKind::Date => date_queries(value),
        SearchKind::Number => amount(value.0).map(|_| number_queries(&value.0.to_string())).unwrap_or_default(),
        SearchKind::Quantity => quantity_queries(value),
        SearchKind::Composite | SearchKind::Special => Vec::new(),
    }
}

fn token_queries((system, code): (String, String)) -> Vec<Query> {
    let (c1, c2, c3, c4) = (code.clone(), code.clone(), code.clone(), code.clone());
    let (s1, s2) = (system.clone(), system.clone());
    let mut all = vec![
        query("", escape(&code), move |value| pairs(value).iter().any(|(_, code)| *code == c1)),
        query("", format!("|{}", escape(&code)), move |value| {
            pairs(value).iter().any(|(system, code)| *code == c2 && system.is_empty())
        }),
        Query {
            negated: true,
            ..query(":not", escape(&code), move |value| pairs(value).iter().any(|(_, code)| *code == c3))
        },
    ];
    if !system.is_empty() {
        all.push(query("", format!("{}|{}", escape(&system), escape(&code)), move |value| {
            pairs(value).iter().any(|(system, code)| *code == c4 && *system == s1)
        }));
        all.push(query("", format!("{}|", escape(&system)), move |value| {
            pairs(value).iter().any(|(system, _)| *system == s2)
        }));
    }
    all
}

fn string_queries(text: &str) -> Vec<Query> {
    let folded = plain(text);
    let start: String = folded.chars().take(4).collect::<String>().trim_end().to_owned();
    let middle: String = folded.chars().skip(2).take(5).collect::<String>().trim().to_owned();
    let mut all = Vec::new();
    let (exact, begin, inner) = (text.to_owned(), start.clone(), middle.clone());
    if !start.is_empty() {
        all.push(query("", escape(&start), move |value| {
            strings(value).iter().any(|text| plain(text).starts_with(&begin))
        }));
    }
    all.push(query(":exact", escape(text), move |value| strings(value).contains(&exact)));
    if !middle.is_empty() {
        all.push(query(":contains", escape(&middle), move |value| {
            strings(value).iter().any(|text| plain(text).contains(&inner))
        }));
    }
    all
}

fn reference_queries(target: String) -> Vec<Query> {
    let own = target.clone();
    vec![query("", escape(&target), move |value| {
        pointer(value).is_some_and(|found| {
            found == own || (own.contains(':') && !own.contains('|') && found.starts_with(&format!("{own}|")))
        })
    })]
}

fn uri_queries(uri: String) -> Vec<Query> {
    let (own, parent) =
        (uri.clone(), uri.rsplit_once('/').map_or(uri.clone(), |(parent, _)| parent.trim_end_matches('/').to_owned()));
    let below = parent.clone();
    let within = format!("{uri}/within/it");
    let asked = within.clone();
    vec![
        query("", escape(&uri), move |value| value.0.as_str() == Some(&own)),
        query(":above", escape(&asked), move |value| {
            value.0.as_str().is_some_and(|found| within.starts_with(&format!("{}/", found.trim_end_matches('/'))))
        }),
        query(":below", escape(&parent), move |value| {
            value.0.as_str().is_some_and(|found| found == below || found.starts_with(&format!("{below}/")))
        }),
    ]
}

const PREFIXES: [&str; 10] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

fn date_queries(value: Typed<'_>) -> Vec<Query> {
    let asked = match value.1 {
        "Period" => {
            [text(value.0, "start"), text(value.0, "end")].into_iter().find(|text| !text.is_empty()).map(str::to_owned)
        }
        "Timing" => value.0.pointer("/event/0").and_then(Value::as_str).map(str::to_owned),
        _ => value.0.as_str().map(str::to_owned),
    };
    let Some(asked) = asked.filter(|text| span(text).is_some()) else { return Vec::new() };
    let year: String = asked.chars().take(4).collect();
    [asked, year].into_iter().flat_map(|asked| PREFIXES.map(|prefix| date_query(prefix, &asked))).collect()
}

fn date_query(prefix: &'static str, asked: &str) -> Query {
    let (a, b) = span(asked).unwrap();
    // `ap`: a tenth of the time between the date and now, to either side.
    let tenth = (OffsetDateTime::now_utc().unix_timestamp_nanos() - (a / 2 + b / 2)).abs() / 10;
    query("", format!("{prefix}{}", asked.replace('+', "%2B")), move |value| {
        let Some((low, high)) = times(value) else { return false };
        let within = low >= a && high <= b;
        match prefix {
            "" | "eq" => within,
            "ne" => !within,
            "gt" => high > b,
            "lt" => low < a,
            "ge" => high > b || within,
            "le" => low < a || within,
            "sa" => low >= b,
            "ap" => low < b + tenth && high > a - tenth,
            _ => high <= a,
        }
    })
}

fn compare(prefix: &str, (low, high): (f64, f64), (value, from, until): (f64, f64, f64)) -> bool {
    let within = low >= from && high < until;
    match prefix {
        "" | "eq" => within,
        "ne" => !within,
        "gt" => high > value,
        "lt" => low < value,
        "ge" => high >= value,
        "le" => low <= value,
        "sa" => low > value,
        "ap" => low <= value + value.abs() * 0.1 && high >= value - value.abs() * 0.1,
        _ => high < value,
    }
}

fn number_queries(asked: &str) -> Vec<Query> {
    let reached = reach(asked);
    PREFIXES
        .map(|prefix| {
            query("", format!("{prefix}{asked}"), move |value| {
                amount(value.0).is_some_and(|point| compare(prefix, (point, point), reached))
            })
        })
        .into()
}

fn quantity_queries(value: Typed<'_>) -> Vec<Query> {
    let Some((_, _, system, code, unit)) = quantity(value) else { return Vec::new() };
    let asked = [value.0.get("value"), value.0.pointer("/low/value"), value.0.pointer("/high/value")]
        .into_iter()
        .flatten()
        .next();
    let Some(asked) = asked.map(Value::to_string) else { return Vec::new() };
    let reached = reach(&asked);
    let mut all: Vec<Query> = PREFIXES
        .map(|prefix| {
            query("", format!("{prefix}{asked}"), move |value| {
                quantity(value).is_some_and(|found| compare(prefix, (found.0, found.1), reached))
            })
        })
        .into();
    if !code.is_empty() && !system.is_empty() {
        let (own_system, own_code) = (system.clone(), code.clone());
        all.insert(
            0,
            query("", format!("{asked}|{}|{}", escape(&system), escape(&code)), move |value| {
                quantity(value).is_some_and(|found| {
                    compare("", (found.0, found.1), reached) && found.2 == own_system && found.3 == own_code
                })
            }),
        );
    }
    if !unit.is_empty() {
        all.insert(
            0,
            query("", format!("{asked}||{}", escape(&unit)), move |value| {
                quantity(value).is_some_and(|found| {
                    compare("", (found.0, found.1), reached) && (found.3 == unit || found.4 == unit)
                })
            }),
        );
    }
    all
}

/// Resources by type and id, as they are stored.
pub(crate) type Stored = BTreeMap<ResourceType, BTreeMap<String, Value>>;

pub(crate) async fn answer(client: &Client, path: &str) -> Result<BTreeSet<String>, String> {
    let mut ids = BTreeSet::new();
    let mut next = Some(format!("{path}&_count=1000&_total=none"));
    while let Some(url) = next {
        let page = client.get(&url).await;
        if page.status != 200 {
            return Err(format!("{path}: {} {}", page.status, page.text));
        }
        ids.extend(page.names().into_iter().map(|name| name.split_once('/').unwrap().1.to_owned()));
        next = page.link("next");
    }
    Ok(ids)
}

pub(crate) fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._%".contains(&byte) && byte != b'%' {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Compares all parameters; returns how many queries were compared and what differed.
async fn compare_all(client: &Client, stored: &Stored) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    for (resource, all) in stored {
        for parameter in parameters(*resource)
            .filter(|one| !matches!(one.code, "_id" | "_lastUpdated" | "_text" | "_content" | "_query"))
        {
            let checked = match parameter.kind {
                SearchKind::Composite => composite(client, *resource, parameter, all, &mut wrong).await,
                SearchKind::Special => 0,
                _ => simple(client, *resource, parameter, all, &mut wrong).await,
            };
            asked += checked;
        }
    }
    (asked, wrong)
}

pub(crate) async fn check(client: &Client, path: String, expect: BTreeSet<String>, wrong: &mut Vec<String>) {
    let found = match answer(client, &path).await {
        Ok(found) => found,
        Err(refused) => return wrong.push(refused),
    };
    if found != expect {
        let more: Vec<_> = found.difference(&expect).take(3).collect();
        let less: Vec<_> = expect.difference(&found).take(3).collect();
        wrong.push(format!("{path}: index has also {more:?}, lacks {less:?}"));
    }
}

async fn simple(
    client: &Client,
    resource: ResourceType,
    parameter: &SearchParameter,
    all: &BTreeMap<String, Value>,
    wrong: &mut Vec<String>,
) -> usize {
    let path = Expression::parse(parameter.expression).unwrap();
    let values: Vec<(&String, Vec<Found<'_>>)> = all.iter().map(|(id, value)| (id, select(value, &path))).collect();
    let mut seen = BTreeSet::new();
    for query in values.iter().flat_map(|(_, found)| found).flat_map(|found| queries(parameter.kind, typed(found))) {
        let name = format!("{resource}?{}{}={}", parameter.code, query.suffix, query.encoded());
        if seen.len() >= QUERIES_MAX || !seen.insert(name.clone()) {
            continue;
        }
        let expect = values.iter().filter(|(_, found)| query.finds(found)).map(|(id, _)| (*id).clone()).collect();
        check(client, name, expect, wrong).await;
    }
    seen.len()
}

async fn composite(
    client: &Client,
    resource: ResourceType,
    parameter: &SearchParameter,
    all: &BTreeMap<String, Value>,
    wrong: &mut Vec<String>,
) -> usize {
    let path = Expression::parse(parameter.expression).unwrap();
    let parts: Vec<_> =
        parameter.components.iter().map(|part| (part.kind, Expression::parse(part.expression).unwrap())).collect();
    let mut seen = BTreeSet::new();
    for value in all.values() {
        for element in select(value, &path) {
            let first: Option<Vec<Query>> = parts
                .iter()
                .map(|(kind, path)| {
                    select_from(value, element, path).iter().find_map(|found| {
                        queries(*kind, typed(found)).into_iter().find(|query| query.suffix.is_empty() && !query.negated)
                    })
                })
                .collect();
            let Some(chosen) = first else { continue };
            let joined: Vec<_> = chosen.iter().map(|query| query.value.replace("%2B", "+")).collect();
            let name = format!("{resource}?{}={}", parameter.code, encoded(&joined.join("$")));
            if seen.len() >= QUERIES_MAX || !seen.insert(name.clone()) {
                continue;
            }
            let passes = |value: &Value| {
                select(value, &path).into_iter().any(|element| {
                    parts.iter().zip(&chosen).all(|((_, path), query)| {
                        select_from(value, element, path).iter().any(|found| (query.test)(typed(found)))
                    })
                })
            };
            let expect = all.iter().filter(|(_, value)| passes(value)).map(|(id, _)| id.clone()).collect();
            check(client, name, expect, wrong).await;
        }
    }
    seen.len()
}

pub(crate) fn by_type(resources: impl IntoIterator<Item = Value>) -> Stored {
    let mut stored = Stored::new();
    for value in resources {
        let resource = ResourceType::parse(value["resourceType"].as_str().unwrap()).unwrap();
        stored.entry(resource).or_default().insert(value["id"].as_str().unwrap().to_owned(), value);
    }
    stored
}

#[tokio::test]
async fn the_index_answers_as_a_plain_reading_would() {
    let client = Client::new();
    client.store(&crate::search::data()).await;
    let (asked, wrong) = compare_all(&client, &by_type(crate::search::data())).await;
    assert!(asked > 150, "only {asked} queries");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The official examples and the US Core ones: 145 types.
pub(crate) fn official() -> Option<Stored> {
    let folder = crate::support::shared()?;
    let mut all = Vec::new();
    for file in ["r4-examples", "us-core-examples"] {
        let lines = crate::support::lines(&folder.join(format!("data/fhir/{file}.ndjson.gz")));
        all.extend(lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    all.retain(|value| {
        value["id"].is_string() && value["resourceType"].as_str().and_then(ResourceType::parse).is_some()
    });
    // The conformance resources alone would be most of the work and add nothing: a tenth of them is kept.
    let mut passed = 0;
    all.retain(|value| {
        let is_many = matches!(
            value["resourceType"].as_str(),
            Some("CodeSystem" | "ValueSet" | "SearchParameter" | "StructureDefinition" | "ConceptMap")
        );
        passed += usize::from(is_many);
        !is_many || passed % 10 == 0
    });
    // A later version takes the place of an earlier one, in the file as on the server.
    Some(by_type(all))
}

/// A server that holds these, valid or not.
pub(crate) async fn holding(stored: &Stored) -> Client {
    let client = Client::with(|settings| settings.validation = bascule_ehr::Validation::Lenient);
    let body: String = stored.values().flat_map(BTreeMap::values).map(|value| format!("{value}\n")).collect();
    let done = client.send("POST", "$import", &[("content-type", "application/fhir+ndjson")], body).await;
    assert!(done.status.is_success(), "{}", done.text);
    client
}

/// Every parameter that any of them has a value for.
#[tokio::test(flavor = "multi_thread")]
async fn the_index_answers_so_over_the_official_examples_too() {
    let Some(stored) = official() else { return };
    let client = holding(&stored).await;
    let (asked, wrong) = compare_all(&client, &stored).await;
    println!("{asked} queries over {} types", stored.len());
    assert!(asked > 5_000, "only {asked} queries");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whatever is added to the table is compared from then on.
#[test]
fn every_kind_of_parameter_is_compared() {
    let kinds: BTreeSet<_> = ResourceType::all().flat_map(search::parameters).map(|one| one.kind).collect();
    assert_eq!(kinds.len(), 9);
}

//! The same task by the libraries that one would reach for.

use std::borrow::Cow;
use std::fmt;

use jiter::{Jiter, Peek};
use serde_json::Value;
use serde_json::value::RawValue;
use simd_json::prelude::*;
use sonic_rs::{JsonValueMutTrait, JsonValueTrait};

use crate::task::{PUBLIC, REFERENCES, TAGS, UPSTREAM, kept};

fn public(url: &str) -> String {
    url.replacen(UPSTREAM, PUBLIC, 1)
}

/// A tree of `serde_json`.
pub fn serde_tree(body: &[u8]) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_slice(body).unwrap();
    bundle.as_object_mut().unwrap().remove("link");
    for entry in bundle["entry"].as_array_mut().unwrap() {
        entry["fullUrl"] = Value::from(public(entry["fullUrl"].as_str().unwrap()));
        let resource = entry["resource"].as_object_mut().unwrap();
        let keep = kept(resource["resourceType"].as_str().unwrap());
        resource.retain(|key, _| keep.contains(&key.as_str()));
        for name in REFERENCES {
            if let Some(reference) = resource.get_mut(name) {
                reference.as_object_mut().unwrap().remove("display");
            }
        }
        resource["meta"]["tag"] = serde_json::from_str(TAGS).unwrap();
    }
    serde_json::to_vec(&bundle).unwrap()
}

/// The members of an object, each value as it stands.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(key) = map.next_key::<&str>()? {
                    all.push((Cow::Borrowed(key), map.next_value()?));
                }
                Ok(Members(all))
            }
        }
        from.deserialize_map(Visitor)
    }
}

fn members(raw: &RawValue) -> Members<'_> {
    serde_json::from_str(raw.get()).unwrap()
}

/// `RawValue` of `serde_json`, level by level.
pub fn serde_raw(body: &[u8]) -> Vec<u8> {
    let bundle: Members<'_> = serde_json::from_slice(body).unwrap();
    let mut out = Vec::with_capacity(body.len());
    object(&mut out, &bundle, |out, key, value| match key {
        "link" => false,
        "entry" => {
            let entries: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap();
            out.extend_from_slice(b"\"entry\":[");
            for (number, entry) in entries.into_iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                raw_entry(out, &members(entry));
            }
            out.push(b']');
            true
        }
        _ => whole(out, key, value),
    });
    out
}

fn raw_entry(out: &mut Vec<u8>, entry: &Members<'_>) {
    object(out, entry, |out, key, value| match key {
        "fullUrl" => {
            let url: &str = serde_json::from_str(value.get()).unwrap();
            out.extend_from_slice(format!("\"fullUrl\":\"{}\"", public(url)).as_bytes());
            true
        }
        "resource" => {
            out.extend_from_slice(b"\"resource\":");
            let resource = members(value);
            let name = resource.0.iter().find(|(key, _)| key == "resourceType").unwrap().1.get();
            let keep = kept(name.trim_matches('"'));
            object(out, &resource, |out, key, value| match key {
                _ if !keep.contains(&key) => false,
                "meta" => {
                    out.extend_from_slice(b"\"meta\":");
                    object(out, &members(value), whole);
                    out.pop();
                    out.extend_from_slice(format!(",\"tag\":{TAGS}}}").as_bytes());
                    true
                }
                _ if REFERENCES.contains(&key) => {
                    out.extend_from_slice(format!("\"{key}\":").as_bytes());
                    object(out, &members(value), |out, key, value| key != "display" && whole(out, key, value));
                    true
                }
                _ => whole(out, key, value),
            });
            true
        }
        _ => whole(out, key, value),
    });
}

fn whole(out: &mut Vec<u8>, key: &str, value: &RawValue) -> bool {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value.get().as_bytes());
    true
}

fn object(out: &mut Vec<u8>, members: &Members<'_>, mut member: impl FnMut(&mut Vec<u8>, &str, &RawValue) -> bool) {
    out.push(b'{');
    let mut some = false;
    for (key, value) in &members.0 {
        if some {
            out.push(b',');
        }
        if member(out, key, value) {
            some = true;
        } else if some {
            out.pop();
        }
    }
    out.push(b'}');
}

/// A borrowed tree of `simd-json`, which writes into its input and so needs a copy of it.
pub fn simd_json(body: &[u8]) -> Vec<u8> {
    let mut copy = body.to_vec();
    let mut bundle = simd_json::to_borrowed_value(&mut copy).unwrap();
    bundle.as_object_mut().unwrap().remove("link");
    for entry in bundle["entry"].as_array_mut().unwrap() {
        let url = public(entry["fullUrl"].as_str().unwrap());
        entry.insert("fullUrl", url).unwrap();
        let resource = entry["resource"].as_object_mut().unwrap();
        let keep = kept(resource["resourceType"].as_str().unwrap());
        resource.retain(|key, _| keep.contains(&&**key));
        for name in REFERENCES {
            if let Some(reference) = resource.get_mut(name) {
                reference.as_object_mut().unwrap().remove("display");
            }
        }
        let tags = simd_json::json!([{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"
        }]);
        resource.get_mut("meta").unwrap().insert("tag", simd_json::BorrowedValue::from(tags)).unwrap();
    }
    bundle.encode().into_bytes()
}

/// A tree of `sonic-rs`.
pub fn sonic(body: &[u8]) -> Vec<u8> {
    let mut bundle: sonic_rs::Value = sonic_rs::from_slice(body).unwrap();
    bundle.as_object_mut().unwrap().remove(&"link");
    for entry in bundle["entry"].as_array_mut().unwrap().iter_mut() {
        let entry = entry.as_object_mut().unwrap();
        let url = public(entry.get(&"fullUrl").unwrap().as_str().unwrap());
        entry.insert(&"fullUrl", sonic_rs::Value::from(&url));
        let resource = entry.get_mut(&"resource").unwrap().as_object_mut().unwrap();
        let keep = kept(resource.get(&"resourceType").unwrap().as_str().unwrap());
        let gone: Vec<String> = resource.iter().filter(|(key, _)| !keep.contains(key)).map(|(key, _)| (*key).to_owned()).collect();
        for key in gone {
            resource.remove(&key);
        }
        for name in REFERENCES {
            if let Some(reference) = resource.get_mut(&name) {
                reference.as_object_mut().unwrap().remove(&"display");
            }
        }
        let tags: sonic_rs::Value = sonic_rs::from_str(TAGS).unwrap();
        resource.get_mut(&"meta").unwrap().as_object_mut().unwrap().insert(&"tag", tags);
    }
    sonic_rs::to_vec(&bundle).unwrap()
}

/// The pull parser of `jiter`, with slices of the input copied.
pub fn jiter(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut jiter = Jiter::new(body);
    each(&mut jiter, &mut out, &mut |jiter, out, key| match key {
        "link" => skip(jiter),
        "entry" => {
            out.extend_from_slice(b"\"entry\":[");
            let mut peek = jiter.next_array().unwrap();
            let mut some = false;
            while peek.is_some() {
                if some {
                    out.push(b',');
                }
                some = true;
                jiter_entry(jiter, out);
                peek = jiter.array_step().unwrap();
            }
            out.push(b']');
            true
        }
        _ => copy(jiter, out, key),
    });
    jiter.finish().unwrap();
    out
}

fn jiter_entry(jiter: &mut Jiter<'_>, out: &mut Vec<u8>) {
    each(jiter, out, &mut |jiter, out, key| match key {
        "fullUrl" => {
            let url = public(jiter.next_str().unwrap());
            out.extend_from_slice(format!("\"fullUrl\":\"{url}\"").as_bytes());
            true
        }
        "resource" => {
            out.extend_from_slice(b"\"resource\":");
            let mut keep = kept("");
            each(jiter, out, &mut |jiter, out, key| match key {
                "resourceType" => {
                    let name = jiter.next_str().unwrap().to_owned();
                    keep = kept(&name);
                    out.extend_from_slice(format!("\"resourceType\":\"{name}\"").as_bytes());
                    true
                }
                _ if !keep.contains(&key) => skip(jiter),
                "meta" => {
                    out.extend_from_slice(b"\"meta\":");
                    each(jiter, out, &mut copy);
                    out.pop();
                    out.extend_from_slice(format!(",\"tag\":{TAGS}}}").as_bytes());
                    true
                }
                _ if REFERENCES.contains(&key) => {
                    out.extend_from_slice(format!("\"{key}\":").as_bytes());
                    each(jiter, out, &mut |jiter, out, key| if key == "display" { skip(jiter) } else { copy(jiter, out, key) });
                    true
                }
                _ => copy(jiter, out, key),
            });
            true
        }
        _ => copy(jiter, out, key),
    });
}

fn skip(jiter: &mut Jiter<'_>) -> bool {
    jiter.next_skip().unwrap();
    false
}

fn copy(jiter: &mut Jiter<'_>, out: &mut Vec<u8>, key: &str) -> bool {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    let _: Peek = jiter.peek().unwrap();
    let start = jiter.current_index();
    jiter.next_skip().unwrap();
    let slice = jiter.slice_to_current(start);
    out.extend_from_slice(slice);
    true
}

fn each(jiter: &mut Jiter<'_>, out: &mut Vec<u8>, member: &mut dyn FnMut(&mut Jiter<'_>, &mut Vec<u8>, &str) -> bool) {
    out.push(b'{');
    let mut some = false;
    let mut key = jiter.next_object().unwrap().map(str::to_owned);
    while let Some(name) = key {
        if some {
            out.push(b',');
        }
        if member(jiter, out, &name) {
            some = true;
        } else if some {
            out.pop();
        }
        key = jiter.next_key().unwrap().map(str::to_owned);
    }
    out.push(b'}');
}

//! From policy files to a policy, or to all of their faults at once.

mod call;
mod check;
mod grant;
mod lists;
mod masks;
mod role;
mod settings;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_crypto::digest::sha256;
use bascule_crypto::hex;

use crate::ApiKind;
use crate::fault::Fault;
use crate::policy::Policy;
use crate::read::{Document, Reader, Word};
use crate::rules::{Deny, Role};

use lists::Lists;

/// A policy file: its name as shown in faults, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// `policy/scheduler.toml`
    pub name: String,
    /// The TOML.
    pub text: String,
}

/// Bytes of a policy bundle at most, all files together.
pub const BUNDLE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Policy {
    /// Reads the files of a policy.
    ///
    /// # Errors
    /// Every fault of every file, sorted by file and place.
    pub fn load(files: &[PolicyFile]) -> Result<Self, Vec<Fault>> {
        Self::read(files, None)
    }

    /// Reads the files of the policy of a house that has these APIs: a rule about another is a fault, and so is one in the
    /// words of another kind of API.
    ///
    /// # Errors
    /// Every fault of every file, sorted by file and place.
    pub fn load_for(files: &[PolicyFile], apis: &BTreeMap<String, ApiKind>) -> Result<Self, Vec<Fault>> {
        Self::read(files, Some(apis))
    }

    fn read(files: &[PolicyFile], apis: Option<&BTreeMap<String, ApiKind>>) -> Result<Self, Vec<Fault>> {
        if files.is_empty() {
            return Err(vec![Fault::of_file(
                "policy",
                "there is no policy file",
                "put at least one role into the folder",
            )]);
        }
        if files.iter().map(|file| file.text.len()).sum::<usize>() > BUNDLE_BYTES_MAX {
            let message = format!("the files hold more than {BUNDLE_BYTES_MAX} bytes");
            return Err(vec![Fault::of_file("policy", message, "a policy is written by people")]);
        }
        let opened: Vec<(Reader<'_>, Document<'_>)> =
            files.iter().map(|file| Reader::open(&file.name, &file.text)).collect();
        let (mut readers, documents): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        let mut lists = Lists::gather(&documents, &mut readers);
        lists.know_apis(apis);
        lists.resolve(&mut readers);
        let mut book = Book::default();
        for (index, document) in documents.iter().enumerate() {
            if let Some(reader) = readers.get_mut(index) {
                book.read(document, &lists, reader);
            }
        }
        let settings = book.settings.finish();
        let mut faults: Vec<Fault> = readers.into_iter().flat_map(Reader::into_faults).collect();
        if faults.is_empty() && book.roles.is_empty() {
            faults.push(Fault::of_file("policy", "there is no role in any file", "write [role.NAME]"));
        }
        if faults.is_empty() {
            return Ok(Self::compile(book.roles, book.denies, settings, bundle_hash(files)));
        }
        faults.sort_by(|left, right| (&left.file, left.span.start).cmp(&(&right.file, right.span.start)));
        faults.dedup();
        Err(faults)
    }
}

/// What the files said so far.
#[derive(Default)]
struct Book {
    roles: BTreeMap<Arc<str>, Role>,
    denies: Vec<Deny>,
    settings: settings::Draft,
}

impl Book {
    fn read(&mut self, document: &Document<'_>, lists: &Lists, reader: &mut Reader<'_>) {
        let mut top = document.top();
        for key in lists::KEYS {
            top.value(key);
        }
        if let Some(roles) = top.section("role", reader) {
            for (name, section) in roles.named_sections(reader) {
                let role = role::read(&name, section, lists, reader);
                self.add(&name, role, reader);
            }
        }
        for section in top.sections("deny", reader) {
            let id = format!("{}.{}", reader.file(), section.name());
            self.denies.extend(grant::read_deny(&id, section, None, lists, reader));
        }
        self.settings.read(&mut top, lists, reader);
        top.finish(reader);
    }

    fn add(&mut self, name: &Word, role: Role, reader: &mut Reader<'_>) {
        if let Some(earlier) = self.roles.get(role.name.as_ref()) {
            let message = format!("role `{}` is defined twice", name.text);
            reader.fault(name.span.clone(), message, format!("it stands in {} already", earlier.file));
            return;
        }
        self.roles.insert(Arc::clone(&role.name), role);
    }
}

/// SHA-256 over the files by name, without their folder: the same files are the same policy wherever they lie. Each as
/// name, length and bytes.
fn bundle_hash(files: &[PolicyFile]) -> Arc<str> {
    let name = |file: &PolicyFile| file.name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut sorted: Vec<&PolicyFile> = files.iter().collect();
    sorted.sort_by_key(|file| name(file));
    let mut bundle = b"bascule-policy-v1\n".to_vec();
    for file in sorted {
        bundle.extend_from_slice(format!("{}\n{}\n", name(file), file.text.len()).as_bytes());
        bundle.extend_from_slice(file.text.as_bytes());
    }
    hex::encode(&sha256(&bundle)).into()
}

#[cfg(test)]
mod tests;

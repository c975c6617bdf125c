//! Signed notes (C2SP `signed-note`): a text, and lines that say who signed it.

use bascule_crypto::Secret;
use bascule_crypto::digest::sha256_parts;
use bascule_crypto::sign::{SigningKey, verify_ed25519};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::LedgerError;

/// Bytes of the longest note that is read.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// Signature lines of a note that are read.
pub const SIGNATURES_MAX: usize = 100;
const LINE_START: &str = "\u{2014} ";

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// 0x01: Ed25519 over the note's text. A log's own key.
    Ed25519,
    /// 0x04: Ed25519 over a time and the note's text. A witness's key.
    CosignatureEd25519,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::CosignatureEd25519 => 4,
        }
    }
}

/// A public key by its name: `name+hash+base64(kind, key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: KeyKind,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key `public` under `name`.
    ///
    /// # Errors
    /// `Malformed` if `name` is empty or holds a space or a plus, or the key is not 32 bytes.
    pub fn new(name: &str, kind: KeyKind, public: &[u8]) -> Result<Self, LedgerError> {
        if !is_key_name(name) {
            return Err(LedgerError::malformed("key name", "empty, or with a space or a plus"));
        }
        let public = public.try_into().map_err(|_| LedgerError::malformed("verifier key", "not 32 bytes"))?;
        Ok(Self { name: name.to_owned(), id: key_id(name, kind, public), kind, public: *public })
    }

    /// Reads a vkey.
    ///
    /// # Errors
    /// `Malformed` if a part is missing, the kind is unknown or the hash is not that of name and key.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why| LedgerError::malformed("verifier key", why);
        let mut parts = text.trim_end_matches('\n').splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("not name+hash+key"));
        };
        let key = STANDARD.decode(key).map_err(|_| malformed("the key is not base64"))?;
        let (kind, public) = key.split_first().ok_or_else(|| malformed("the key is empty"))?;
        let kind = match kind {
            1 => KeyKind::Ed25519,
            4 => KeyKind::CosignatureEd25519,
            _ => return Err(malformed("unknown kind of key")),
        };
        let key = Self::new(name, kind, public)?;
        if id != hex_id(key.id) {
            return Err(malformed("the hash is not that of name and key"));
        }
        Ok(key)
    }

    /// Whose key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The four bytes that tell this key in a signature line.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    pub(crate) const fn public(&self) -> &[u8; 32] {
        &self.public
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[self.kind.byte()], self.public.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex_id(self.id))
    }
}

/// A private key that signs notes.
#[derive(Debug)]
pub struct NoteSigner {
    verifier: VerifierKey,
    key: SigningKey,
}

impl NoteSigner {
    /// The key of a 32-byte seed under `name`. The seed comes from a door's randomness.
    ///
    /// # Errors
    /// `Malformed` if the name or the seed is not well formed.
    pub fn from_seed(name: &str, kind: KeyKind, seed: &Secret) -> Result<Self, LedgerError> {
        let key = SigningKey::from_seed(seed)?;
        Ok(Self { verifier: VerifierKey::new(name, kind, &key.public())?, key })
    }

    /// Its public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The note of `text` with this signature alone. `text` ends with a newline.
    #[must_use]
    pub fn sign(&self, text: &str) -> Note {
        let signature = Signature::new(&self.verifier, self.key.sign(text.as_bytes()));
        Note { text: text.to_owned(), signatures: vec![signature] }
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message)
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose.
    pub name: String,
    /// Which of their keys.
    pub id: [u8; 4],
    /// The signature itself; for a cosignature eight bytes of time come first.
    pub bytes: Vec<u8>,
}

impl Signature {
    pub(crate) fn new(by: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self { name: by.name.clone(), id: by.id, bytes }
    }

    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// `Malformed` if it does not have the form.
    pub fn parse(line: &str) -> Result<Self, LedgerError> {
        let malformed = |why| LedgerError::malformed("signature line", why);
        let (name, blob) = line
            .strip_prefix(LINE_START)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| malformed("it is not dash, name, signature"))?;
        if !is_key_name(name) {
            return Err(malformed("the name is empty, or with a space or a plus"));
        }
        let blob = STANDARD.decode(blob).map_err(|_| malformed("not base64"))?;
        let (id, bytes) = blob.split_first_chunk::<4>().ok_or_else(|| malformed("too short"))?;
        if bytes.is_empty() {
            return Err(malformed("too short"));
        }
        Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }

    /// The line, with its newline.
    #[must_use]
    pub fn line(&self) -> String {
        let blob = STANDARD.encode([self.id.as_slice(), self.bytes.as_slice()].concat());
        format!("{LINE_START}{} {blob}\n", self.name)
    }

    /// Whether this line says that it is of `key`.
    #[must_use]
    pub fn is_of(&self, key: &VerifierKey) -> bool {
        self.name == key.name && self.id == key.id
    }
}

/// A text and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The signed text, which ends with a newline.
    pub text: String,
    /// The signatures, of whomever.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note. Nothing is verified yet.
    ///
    /// # Errors
    /// `Malformed` if there is no signature block, a control character, or a line without its form.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why| LedgerError::malformed("note", why);
        if text.len() > NOTE_BYTES_MAX {
            return Err(malformed("too long"));
        }
        if text.chars().any(|letter| letter.is_ascii_control() && letter != '\n') {
            return Err(malformed("a control character"));
        }
        let place = text.rfind("\n\n").ok_or_else(|| malformed("no signatures"))?;
        let (body, block) = (text.get(..=place), text.get(place + 2..));
        let (Some(body), Some(block)) = (body, block.and_then(|block| block.strip_suffix('\n'))) else {
            return Err(malformed("it does not end with a newline"));
        };
        let signatures: Vec<_> = block.split('\n').map(Signature::parse).collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(malformed("too many signatures"));
        }
        Ok(Self { text: body.to_owned(), signatures })
    }

    /// Checks that `key`, a log's own, signed the text.
    ///
    /// # Errors
    /// `Unsigned` if it did not, or if a line that says so does not hold.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), LedgerError> {
        let unsigned = || LedgerError::Unsigned(key.name.clone());
        if key.kind != KeyKind::Ed25519 {
            return Err(unsigned());
        }
        let mut lines = self.signatures.iter().filter(|signature| signature.is_of(key)).peekable();
        lines.peek().ok_or_else(unsigned)?;
        lines
            .try_for_each(|line| verify_ed25519(&key.public, self.text.as_bytes(), &line.bytes).map_err(|_| unsigned()))
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        f.write_str("\n")?;
        self.signatures.iter().try_for_each(|signature| f.write_str(&signature.line()))
    }
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '+')
}

fn key_id(name: &str, kind: KeyKind, public: &[u8; 32]) -> [u8; 4] {
    let digest = sha256_parts(&[name.as_bytes(), b"\n", &[kind.byte()], public]);
    let [one, two, three, four, ..] = digest;
    [one, two, three, four]
}

fn hex_id(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use signed_note::{StandardVerifier, VerifierList};

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::from_seed(name, KeyKind::Ed25519, &Secret::new([seed; 32])).unwrap()
    }

    #[test]
    fn an_independent_reader_accepts_our_note() {
        let signer = signer("gateway.example/audit/node-1/2026q4", 3);
        let text = signer.sign("gateway.example/audit\n1\nroot\n").to_string();
        let theirs = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
        let verifier = StandardVerifier::new(&signer.verifier().to_string()).unwrap();
        theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    }

    #[test]
    fn a_changed_text_or_another_key_is_refused() {
        let (mine, other) = (signer("log", 1), signer("log", 2));
        let note = Note::parse(&mine.sign("a text\n").to_string()).unwrap();
        assert_eq!(note.verify(mine.verifier()), Ok(()));
        assert!(note.verify(other.verifier()).is_err());
        let changed = Note { text: "a test\n".into(), ..note };
        assert!(changed.verify(mine.verifier()).is_err());
    }

    #[test]
    fn a_second_line_of_the_same_key_must_hold_too() {
        let mine = signer("log", 1);
        let mut note = mine.sign("a text\n");
        note.signatures.push(Signature { bytes: vec![0; 64], ..note.signatures[0].clone() });
        assert!(note.verify(mine.verifier()).is_err());
    }

    #[test]
    fn keys_go_round_and_a_wrong_hash_is_refused() {
        let key = signer("log.example/x", 9).verifier().clone();
        let text = key.to_string();
        assert_eq!(VerifierKey::parse(&text).unwrap(), key);
        let (name, rest) = text.split_once('+').unwrap();
        assert!(VerifierKey::parse(&format!("other{name}+{rest}")).is_err());
        assert!(VerifierKey::parse("log").is_err());
        assert!(VerifierKey::new("with space", KeyKind::Ed25519, &[0; 32]).is_err());
    }

    #[test]
    fn malformed_notes_are_refused() {
        for text in [
            "",
            "text\n",
            "text\n\n",
            "text\n\nline\n",
            "text\n\n\u{2014} log AAAA\n",
            "a\rb\n\n\u{2014} log AAAAAAAA\n",
        ] {
            assert!(Note::parse(text).is_err(), "{text:?}");
        }
    }
}

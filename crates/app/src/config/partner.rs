//! `[[partner]]`: who sends HL7 v2 messages, what it may send, and as which client they come into the chart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bascule_exchange::map::Partner;
use bascule_exchange::{Orders, Rules};
use bascule_policy::read::{Reader, Section};

use super::ask::{first, number, required_section, required_word};

/// Bytes of a message, unless the partner may send larger ones.
const MESSAGE_BYTES: u64 = 20 << 20;
/// What a partner's client asks for.
const SCOPE: &str = "system/*.cruds";

/// A partner as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartnerSettings {
    pub(crate) partner: Partner,
    pub(crate) rules: Rules,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<PartnerTls>,
    /// The API at which the chart is, by name.
    pub(crate) api: String,
    /// The client that the messages come as.
    pub(crate) client: String,
    /// PEM of that client's P-384 key.
    pub(crate) key: PathBuf,
    pub(crate) scope: String,
    /// PEM of the authority of the bridge's own certificate; `None` trusts the operating system's.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) message_bytes_max: usize,
}

/// How the partner proves who it is: its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartnerTls {
    pub(crate) client_ca: PathBuf,
    /// SHA-256 of certificates; empty admits every one of the authority.
    pub(crate) certificates: Vec<[u8; 32]>,
}

/// Every `[[partner]]`.
pub(super) fn read_all(
    top: &mut Section<'_>,
    apis: &[String],
    base: &Path,
    reader: &mut Reader<'_>,
) -> Vec<PartnerSettings> {
    let mut partners: Vec<PartnerSettings> = Vec::new();
    for section in top.sections("partner", reader) {
        let place = first(&section);
        let Some(read) = read(section, apis, base, reader) else { continue };
        if partners.iter().any(|other| other.partner.name == read.partner.name) {
            reader.fault(place, format!("two partners are named \"{}\"", read.partner.name), "give each its own name");
        }
        partners.push(read);
    }
    partners
}

fn read(mut section: Section<'_>, apis: &[String], base: &Path, reader: &mut Reader<'_>) -> Option<PartnerSettings> {
    let place = first(&section);
    let name = required_word(&mut section, "name", "\"north-lab\"", reader).map(|word| word.text);
    let listen = read_listen(&mut section, reader);
    let tls = section.value("tls").is_some().then(|| read_tls(&mut section, base, reader));
    if let Some(address) = listen.filter(|address| tls.is_none() && !address.ip().is_loopback()) {
        let mend = "add tls = { client_ca = \"…\" }, or listen on 127.0.0.1";
        reader.fault(place, format!("messages would come to {address} unencrypted"), mend);
    }
    let api = required_word(&mut section, "api", "\"ehr\"", reader).and_then(|word| {
        let known = apis.contains(&word.text);
        if !known {
            reader.fault(
                word.span,
                format!("there is no API \"{}\"", word.text),
                format!("choose one of {}", apis.join(", ")),
            );
        }
        known.then_some(word.text)
    });
    let client = required_word(&mut section, "client", "\"north-lab\"", reader).map(|word| word.text);
    let key = required_word(&mut section, "key", "\"keys/north-lab.pem\"", reader).map(|word| base.join(word.text));
    let scope = section.word("scope", reader).map_or_else(|| SCOPE.to_owned(), |word| word.text);
    let ca = section.word("ca", reader).map(|word| base.join(word.text));
    let uri = required_word(&mut section, "base", "\"https://north-lab.example\"", reader).and_then(|word| {
        let sound = url::Url::parse(&word.text).is_ok() && !word.text.ends_with('/');
        if !sound {
            reader.fault(word.span, "`base` is not a URI, or ends with a slash", "write \"https://north-lab.example\"");
        }
        sound.then_some(word.text)
    });
    let offset = read_offset(&mut section, reader);
    let authorities = read_authorities(&mut section, reader);
    let rules = read_rules(&mut section, reader);
    let bytes = number(&mut section, "message_bytes_max", MESSAGE_BYTES, 1_024..=(256 << 20), reader);
    section.finish(reader);
    Some(PartnerSettings {
        partner: Partner { name: name?, base: uri?, authorities, offset_minutes: offset? },
        rules: rules?,
        listen: listen?,
        tls: match tls {
            None => None,
            Some(read) => Some(read?),
        },
        api: api?,
        client: client?,
        key: key?,
        scope,
        ca,
        message_bytes_max: usize::try_from(bytes).unwrap_or(usize::MAX),
    })
}

fn read_listen(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let word = required_word(section, "listen", "\"127.0.0.1:2575\"", reader)?;
    let address = word.text.parse().ok();
    if address.is_none() {
        reader.fault(word.span, "`listen` is not an address and port", "write \"127.0.0.1:2575\"");
    }
    address
}

fn read_tls(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<PartnerTls> {
    let mut tls = required_section(section, "tls", reader)?;
    let client_ca =
        required_word(&mut tls, "client_ca", "\"tls/north-lab-ca.pem\"", reader).map(|word| base.join(word.text));
    let mut certificates = Vec::new();
    for word in tls.words("certificates", reader).unwrap_or_default() {
        let digest = hex::decode(word.text.replace(':', "")).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match digest {
            Some(digest) => certificates.push(digest),
            None => reader.fault(
                word.span,
                "not the SHA-256 of a certificate",
                "write its 64 hex digits, as openssl x509 -fingerprint -sha256 prints them",
            ),
        }
    }
    tls.finish(reader);
    Some(PartnerTls { client_ca: client_ca?, certificates })
}

fn read_offset(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<i16> {
    let word = required_word(section, "utc_offset", "\"-05:00\"", reader)?;
    let minutes = offset(&word.text);
    if minutes.is_none() {
        reader.fault(word.span, "`utc_offset` is not an offset from UTC", "write \"-05:00\", \"+00:00\" or \"+02:00\"");
    }
    minutes
}

fn offset(text: &str) -> Option<i16> {
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (hours.parse::<i16>().ok()?, minutes.parse::<i16>().ok()?);
    let size = hours.checked_mul(60)?.checked_add(minutes)?;
    let sound = (0..=14).contains(&hours) && (0..60).contains(&minutes) && rest.len() == 5;
    match sign {
        "+" if sound => Some(size),
        "-" if sound => size.checked_neg(),
        _ => None,
    }
}

fn read_authorities(section: &mut Section<'_>, reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let Some(authorities) = section.section("authorities", reader) else { return BTreeMap::new() };
    let named = authorities.named_words(reader);
    let mut read = BTreeMap::new();
    for (namespace, systems) in named {
        match systems.as_slice() {
            [system] if url::Url::parse(&system.text).is_ok() => {
                read.insert(namespace.text, system.text.clone());
            }
            _ => reader.fault(namespace.span, "an authority has one URI", "write GHH = [\"https://ghh.example/mrn\"]"),
        }
    }
    read
}

fn read_rules(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Rules> {
    let kinds = read_list(section, "kinds", "[\"ORU^R01\"]", reader);
    let facilities = read_list(section, "facilities", "[\"NORTH\"]", reader);
    let processing = match section.value("processing") {
        None => Some(vec!["P".to_owned()]),
        Some(_) => read_list(section, "processing", "[\"P\"]", reader),
    };
    let orders = required_word(section, "orders", "\"known\"", reader).and_then(|word| match word.text.as_str() {
        "any" => Some(Orders::Any),
        "known" => Some(Orders::Known),
        text if text.contains('/') => Some(Orders::Own(text.to_owned())),
        _ => {
            let mend =
                "write \"known\" (orders that the chart has), \"Organization/north-lab\" (asked of it), or \"any\"";
            reader.fault(word.span, "`orders` says for which orders results are taken", mend);
            None
        }
    });
    Some(Rules { kinds: kinds?, facilities: facilities?, processing: processing?, orders: orders? })
}

fn read_list(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    let place = first(section);
    let words: Vec<String> = section.words(key, reader).unwrap_or_default().into_iter().map(|word| word.text).collect();
    if words.is_empty() {
        reader.fault(place, format!("the partner has no `{key}`"), format!("write {key} = {example}"));
        return None;
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_read_or_not() {
        assert_eq!(offset("-05:00"), Some(-300));
        assert_eq!(offset("+05:30"), Some(330));
        for text in ["", "5", "05:00", "+5:00", "+15:00", "+05:60", "+05-00"] {
            assert_eq!(offset(text), None, "{text}");
        }
    }
}

//! The narrative: XHTML in a `div`, without anything that runs or loads.

/// What must not stand in a narrative (R4, 2.4.0).
const FORBIDDEN: [&str; 12] = [
    "<script", "<iframe", "<object", "<embed", "<form", "<input", "<button", "<link", "<base", "<frame", "<body",
    "<head",
];

/// What is wrong with a `div`.
pub(super) fn fault(div: &str) -> Option<String> {
    let trimmed = div.trim();
    if !(trimmed.starts_with("<div") && (trimmed.ends_with("</div>") || trimmed.ends_with("/>"))) {
        return Some("must be one XHTML <div>".to_owned());
    }
    let lower = trimmed.to_ascii_lowercase();
    if let Some(tag) = FORBIDDEN.iter().find(|tag| has_tag(&lower, tag)) {
        return Some(format!("must not contain {tag}>"));
    }
    if has_handler(&lower) || lower.contains("javascript:") {
        return Some("must not contain scripts or event handlers".to_owned());
    }
    None
}

fn has_tag(markup: &str, tag: &str) -> bool {
    let mut rest = markup;
    while let Some(at) = rest.find(tag) {
        rest = rest.get(at + tag.len()..).unwrap_or_default();
        if !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            return true;
        }
    }
    false
}

/// An attribute that begins with `on`, inside a tag.
fn has_handler(markup: &str) -> bool {
    markup.split('<').skip(1).any(|piece| {
        let tag = piece.split('>').next().unwrap_or_default();
        tag.split_whitespace().skip(1).any(|attribute| {
            attribute
                .split_once('=')
                .is_some_and(|(name, _)| name.starts_with("on") && name.bytes().all(|byte| byte.is_ascii_lowercase()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_passes_and_scripts_do_not() {
        assert_eq!(fault("<div xmlns=\"http://www.w3.org/1999/xhtml\">on = <b>5</b></div>"), None);
        assert_eq!(fault("<div><linked/></div>"), None);
        for bad in [
            "text",
            "<div>",
            "<div><script>x</script></div>",
            "<div onclick=\"x\">a</div>",
            "<div><a href=\"javascript:x\">a</a></div>",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}

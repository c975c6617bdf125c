//! Parameters that do not name an element: how the answer is made, and those that filter in ways of their own.

/// How the answer is shaped, ordered and written; none of them changes which resources match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// `_count`: resources on a page.
    Count,
    /// `_sort`: their order; it tells of the elements that it sorts by.
    Sort,
    /// `_total`: `none`, `estimate`, `accurate`.
    Total,
    /// `_elements`: which elements.
    Elements,
    /// `_summary`: `true`, `text`, `data`, `count`, `false`.
    Summary,
    /// `_format`: the media type.
    Format,
    /// `_pretty`: white space.
    Pretty,
    /// `_contained`: whether contained resources match.
    Contained,
    /// `_containedType`: what is then returned.
    ContainedType,
    /// `_since`: history and export from an instant.
    Since,
    /// `_at`: history at a moment.
    At,
}

/// Filters that are no search parameter of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Special {
    /// `_filter`: an expression over any parameters.
    Filter,
    /// `_list`: the members of a List.
    List,
    /// `_type`: the types of a system-wide search, history or export.
    Type,
    /// `_query`: a named query.
    Query,
    /// `_text`: the narrative.
    Text,
    /// `_content`: the whole content.
    Content,
}

/// One key of `_sort`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The search parameter that is sorted by.
    pub code: String,
    /// `-code`.
    pub descending: bool,
}

/// The keys of a `_sort` value, most significant first.
#[must_use]
pub fn sort_keys(value: &str) -> Vec<SortKey> {
    let keys = value.split(',').filter(|key| !key.is_empty() && *key != "-");
    keys.map(|key| SortKey { code: key.trim_start_matches('-').to_owned(), descending: key.starts_with('-') }).collect()
}

impl Control {
    /// Every control with its name.
    pub const ALL: [(&'static str, Self); 11] = [
        ("_count", Self::Count),
        ("_sort", Self::Sort),
        ("_total", Self::Total),
        ("_elements", Self::Elements),
        ("_summary", Self::Summary),
        ("_format", Self::Format),
        ("_pretty", Self::Pretty),
        ("_contained", Self::Contained),
        ("_containedType", Self::ContainedType),
        ("_since", Self::Since),
        ("_at", Self::At),
    ];

    /// The name in a query.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, control)| *control == self).map_or("", |(name, _)| name)
    }

    /// The control of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, control)| *control)
    }
}

impl Special {
    /// Every special filter with its name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("_filter", Self::Filter),
        ("_list", Self::List),
        ("_type", Self::Type),
        ("_query", Self::Query),
        ("_text", Self::Text),
        ("_content", Self::Content),
    ];

    /// The name in a query.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, special)| *special == self).map_or("", |(name, _)| name)
    }

    /// The special filter of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, special)| *special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for (name, control) in Control::ALL {
            assert_eq!((control.name(), Control::parse(name)), (name, Some(control)));
        }
        for (name, special) in Special::ALL {
            assert_eq!((special.name(), Special::parse(name)), (name, Some(special)));
        }
        assert_eq!(Control::parse("_id"), None);
    }

    #[test]
    fn sort_keys_keep_their_order_and_direction() {
        let keys: Vec<(String, bool)> =
            sort_keys("-date,name,,-").into_iter().map(|key| (key.code, key.descending)).collect();
        assert_eq!(keys, [("date".to_owned(), true), ("name".to_owned(), false)]);
    }
}

//! Places in a message, as people write them: `PID-3`, `PID-3.4.2`, `OBX-5(2).1`.

use std::fmt;
use std::str::FromStr;

use crate::Fault;

/// A segment's field, its repetition, component and subcomponent; all counted from 1 as in the standard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// The segment's name, as in `PID`.
    pub segment: String,
    /// The field.
    pub field: usize,
    /// The repetition; `None` means the first where one value is read, and all where a rule is meant.
    pub repetition: Option<usize>,
    /// The component.
    pub component: Option<usize>,
    /// The subcomponent.
    pub subcomponent: Option<usize>,
}

impl FromStr for Path {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        read(text).ok_or_else(|| Fault::Path { text: text.chars().take(40).collect() })
    }
}

fn read(text: &str) -> Option<Path> {
    let (segment, rest) = text.split_once('-')?;
    if !is_segment_name(segment.as_bytes()) {
        return None;
    }
    let mut parts = rest.split('.');
    let (field, repetition) = field_and_repetition(parts.next()?)?;
    let component = parts.next().map(ordinal);
    let subcomponent = parts.next().map(ordinal);
    if parts.next().is_some() || component == Some(None) || subcomponent == Some(None) {
        return None;
    }
    Some(Path {
        segment: segment.to_owned(),
        field,
        repetition,
        component: component.flatten(),
        subcomponent: subcomponent.flatten(),
    })
}

fn field_and_repetition(text: &str) -> Option<(usize, Option<usize>)> {
    match text.split_once('(') {
        None => Some((ordinal(text)?, None)),
        Some((field, repetition)) => Some((ordinal(field)?, Some(ordinal(repetition.strip_suffix(')')?)?))),
    }
}

fn ordinal(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

/// Is it a letter and two letters or digits, upper case?
pub(crate) fn is_segment_name(name: &[u8]) -> bool {
    let &[first, second, third] = name else { return false };
    let later = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    first.is_ascii_uppercase() && later(second) && later(third)
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.segment, self.field)?;
        if let Some(repetition) = self.repetition {
            write!(formatter, "({repetition})")?;
        }
        for part in [self.component, self.subcomponent].into_iter().flatten() {
            write!(formatter, ".{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_it_was_read() {
        for text in ["PID-3", "PID-3.1", "PID-3.4.2", "OBX-5(2).1", "ZB1-12"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused_with_the_mend() {
        for text in
            ["", "PID", "PID-", "PID-0", "pid-3", "PID-3.", "PID-3.1.1.1", "PID-3(0)", "PID-3(1", "1ID-3", "PID-x"]
        {
            assert!(matches!(text.parse::<Path>(), Err(Fault::Path { .. })), "{text}");
        }
    }
}

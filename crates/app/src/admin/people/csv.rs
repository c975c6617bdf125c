//! Comma-separated values (RFC 4180), as much as a feed of people needs.

/// Rows of a feed.
pub(super) const ROWS_MAX: usize = 100_000;

/// The rows of a text, each a list of fields.
///
/// # Errors
/// Where it is not CSV, by line.
pub(super) fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut reader = Reader { rows: Vec::new(), row: Vec::new(), field: String::new(), line: 1 };
    reader.read(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    Ok(reader.rows)
}

struct Reader {
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    field: String,
    line: usize,
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let mut letters = text.chars().peekable();
        let (mut quoted, mut closed) = (false, false);
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => {
                    letters.next();
                    self.field.push('"');
                }
                '"' if quoted => (quoted, closed) = (false, true),
                _ if quoted => {
                    self.line += usize::from(letter == '\n');
                    self.field.push(letter);
                }
                '"' if self.field.is_empty() && !closed => quoted = true,
                ',' => {
                    self.end_field();
                    closed = false;
                }
                '\n' => {
                    self.end_row()?;
                    closed = false;
                }
                '\r' if letters.peek() == Some(&'\n') => {}
                '"' => {
                    return Err(format!(
                        "line {}: a quotation mark inside a field; double it and quote the field",
                        self.line
                    ));
                }
                _ if closed => return Err(format!("line {}: text after a closing quotation mark", self.line)),
                _ => self.field.push(letter),
            }
        }
        if quoted {
            return Err(format!("line {}: a quoted field does not end", self.line));
        }
        if !self.field.is_empty() || !self.row.is_empty() {
            self.end_row()?;
        }
        Ok(())
    }

    fn end_field(&mut self) {
        self.row.push(std::mem::take(&mut self.field).trim().to_owned());
    }

    fn end_row(&mut self) -> Result<(), String> {
        self.end_field();
        let row = std::mem::take(&mut self.row);
        self.line += 1;
        if row.iter().any(|field| !field.is_empty()) {
            if self.rows.len() > ROWS_MAX {
                return Err(format!("more than {ROWS_MAX} rows"));
            }
            self.rows.push(row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[&[&str]], &str>) {
        match (rows(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn fields_may_be_quoted_and_lines_may_end_either_way() {
        check("a,b\r\n1,\"x, \"\"y\"\"\nz\"\n\n2,\n", Ok(&[&["a", "b"], &["1", "x, \"y\"\nz"], &["2", ""]]));
        check("\u{feff}a\n1", Ok(&[&["a"], &["1"]]));
        check("", Ok(&[]));
    }

    #[test]
    fn what_is_not_csv_is_named_by_its_line() {
        check("a\n\"open", Err("line 2"));
        check("a\nx\"y", Err("line 2"));
        check("a\n\"x\"y", Err("line 2"));
    }
}

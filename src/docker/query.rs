//! Paths with a query, as the engine's API takes them.

use std::fmt::Write as _;

/// `/build?t=a%3Ab&nocache=1`.
#[derive(Clone, Debug)]
pub(crate) struct Query(String);

impl Query {
    pub(crate) fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// Appends a parameter, percent-encoded.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&encode(value));
        self
    }

    /// Appends a parameter for each value.
    pub(crate) fn each<'a>(self, name: &str, values: impl IntoIterator<Item = &'a String>) -> Self {
        values.into_iter().fold(self, |query, value| query.with(name, value))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything but RFC 3986's unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive() {
        let query = Query::new("/build").with("t", "a/b:c").each("x", &["1&2".to_owned(), "é".to_owned()]);
        assert_eq!(query.as_str(), "/build?t=a%2Fb%3Ac&x=1%262&x=%C3%A9");
    }
}

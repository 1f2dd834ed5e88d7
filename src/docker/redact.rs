//! Takes known secrets out of what an engine prints.

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in a secret's place.
const MASK: &str = "***";

/// A line of a secret of several lines is taken out by itself from this length on: shorter ones
/// (`}`, `----`) are in ordinary output too.
const SHORTEST_LINE: usize = 8;

/// Knows secrets; its `Debug` shows none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redact(Vec<SecretString>);

impl Redact {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut texts: Vec<&str> = Vec::new();
        for secret in secrets {
            let text = secret.expose_secret().trim();
            texts.push(text);
            if text.contains('\n') {
                texts.extend(text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE));
            }
        }
        texts.retain(|text| !text.is_empty());
        // A secret that contains another goes first, or its rest would stay.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts.into_iter().map(SecretString::from).collect())
    }

    pub(crate) fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_stays() {
        let secrets: Vec<SecretString> =
            vec!["hush".into(), "hush-longer\n".into(), "-----BEGIN\nabcdefghij\n}\n".into(), "".into()];
        let redact = Redact::new(&secrets);
        assert_eq!(redact.apply("a hush b hush-longer c"), "a *** b *** c");
        assert_eq!(redact.apply("key abcdefghij }"), "key *** }");
        assert_eq!(redact.apply("nothing"), "nothing");
        assert!(!format!("{redact:?}").contains("hush"));
    }
}

//! The tag `a3:tags`: which of an instance's tags a3 set out of the spec, so that one that left the spec
//! is taken away, and one that somebody else gave the instance never is.

use std::collections::BTreeSet;

use sha2::Digest as _;

/// The tag.
pub const TAG: &str = "a3:tags";

/// What of a key's hash is written down: 40 keys have to fit into the 256 characters of a value.
const WIDTH: usize = 6;

/// The tag's value: `1`, a space, six characters a key. `None` where no tag is set.
pub fn to_tag<'a>(keys: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let keys: BTreeSet<String> = keys.into_iter().map(short).collect();
    (!keys.is_empty()).then(|| format!("1 {}", keys.into_iter().collect::<String>()))
}

/// Whether the value says that a3 set a key. A version that this a3 does not know says nothing.
pub(crate) fn names(tag: &str, key: &str) -> bool {
    let Some(keys) = tag.strip_prefix("1 ") else { return false };
    keys.as_bytes().chunks(WIDTH).any(|known| known == short(key).as_bytes())
}

fn short(key: &str) -> String {
    let mut hash = data_encoding::BASE64URL_NOPAD.encode(&sha2::Sha256::digest(key));
    hash.truncate(WIDTH);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_again_and_others_are_not() {
        let tag = to_tag(["team", "cost center", "Name"]).unwrap();
        assert!(["Name", "cost center", "team"].iter().all(|key| names(&tag, key)), "{tag}");
        assert!(!["Team", "owner", ""].iter().any(|key| names(&tag, key)), "{tag}");
        assert_eq!(to_tag([]), None);
        assert!(!names(&tag.replacen('1', "2", 1), "team"));
    }

    #[test]
    fn as_many_as_ec2_takes_fit_into_a_value() {
        let keys: Vec<String> = (0..40).map(|number| format!("{number:0128}")).collect();
        let tag = to_tag(keys.iter().map(String::as_str)).unwrap();
        assert!(tag.len() <= 256, "{}", tag.len());
        assert!(keys.iter().all(|key| names(&tag, key)));
    }
}

//! The tag `a3:asked` of a managed security group: which rules a3 has opened and not closed, so that one
//! that somebody took away, or added as if it were a3's, is told from an edit of the spec.

use std::collections::BTreeSet;

use sha2::Digest as _;

use super::step::Rule;
use crate::observed::IngressRule;
use crate::spec::Protocol;

/// Characters of a rule's hash: as many as a group takes by default (60) fit into a value.
const WIDTH: usize = 4;

/// EC2's limit for a value.
const LONGEST: usize = 256;

/// Of a group with more rules than fit.
const NOT_KNOWN: &str = "0";

/// The rules that a tag names.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedRules(BTreeSet<String>);

impl AskedRules {
    /// Reads the tag; `None` for a version that this a3 does not know.
    pub(crate) fn of(tag: Option<&str>) -> Option<Self> {
        let marks = tag?.strip_prefix('1')?.trim_start();
        let marks = marks.as_bytes().chunks(WIDTH).map(|mark| String::from_utf8_lossy(mark).into_owned());
        Some(Self(marks.collect()))
    }

    /// The tag's value.
    pub(crate) fn to_tag(&self) -> String {
        let tag = format!("1 {}", self.0.iter().map(String::as_str).collect::<String>());
        if tag.len() <= LONGEST { tag.trim_end().to_owned() } else { NOT_KNOWN.to_owned() }
    }

    pub(crate) fn has(&self, rule: &Rule) -> bool {
        self.0.contains(&mark(rule))
    }

    pub(crate) fn has_there(&self, there: &IngressRule) -> bool {
        self.0.contains(&mark_there(there))
    }

    pub(crate) fn opened(&mut self, rule: &Rule) {
        self.0.insert(mark(rule));
    }

    pub(crate) fn found(&mut self, there: &IngressRule) {
        self.0.insert(mark_there(there));
    }

    pub(crate) fn closed(&mut self, there: &IngressRule) {
        self.0.remove(&mark_there(there));
    }
}

/// Whether a rule in the group is the one that is meant, at whatever address of its caller.
pub(crate) fn is_same(there: &IngressRule, rule: &Rule) -> bool {
    mark_there(there) == mark(rule)
}

fn mark(rule: &Rule) -> String {
    let ports = (rule.port, rule.port);
    short(&rule.description, Some(rule.protocol), ports, Some(&rule.cidr))
}

fn mark_there(there: &IngressRule) -> String {
    let ports = (there.from_port, there.to_port);
    short(&there.description, there.protocol, ports, there.cidr.as_deref())
}

/// A caller's own rule follows the caller's address; it is the same rule wherever that is.
fn short(description: &str, protocol: Option<Protocol>, ports: (u16, u16), cidr: Option<&str>) -> String {
    let cidr = if description.contains(' ') { None } else { cidr };
    let text = format!("{description}\0{protocol:?}\0{ports:?}\0{cidr:?}");
    let mut hash = data_encoding::BASE64URL_NOPAD.encode(&sha2::Sha256::digest(text));
    hash.truncate(WIDTH);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(port: u16, description: &str, cidr: &str) -> Rule {
        Rule { protocol: Protocol::Tcp, port, cidr: cidr.into(), description: description.into() }
    }

    #[test]
    fn a_callers_rule_is_the_same_at_another_address_and_a_published_port_is_not() {
        let mut asked = AskedRules::of(Some("1")).unwrap();
        asked.opened(&rule(22, "ssh me", "192.0.2.7/32"));
        asked.opened(&rule(80, "port", "0.0.0.0/0"));
        let asked = AskedRules::of(Some(&asked.to_tag())).unwrap();
        assert!(asked.has(&rule(22, "ssh me", "192.0.2.8/32")));
        assert!(!asked.has(&rule(22, "ssh you", "192.0.2.7/32")));
        assert!(!asked.has(&rule(2222, "ssh me", "192.0.2.7/32")));
        assert!(asked.has(&rule(80, "port", "0.0.0.0/0")));
        assert!(!asked.has(&rule(80, "port", "192.0.2.7/32")));
    }

    #[test]
    fn what_was_never_written_or_does_not_fit_is_not_known() {
        assert!(AskedRules::of(None).is_none());
        assert!(AskedRules::of(Some("2 abcd")).is_none());
        let mut many = AskedRules::default();
        (0..60).for_each(|port| many.opened(&rule(port, "port", "0.0.0.0/0")));
        assert!(AskedRules::of(Some(&many.to_tag())).is_some());
        (60..80).for_each(|port| many.opened(&rule(port, "port", "0.0.0.0/0")));
        assert!(AskedRules::of(Some(&many.to_tag())).is_none());
    }
}

//! The tag `a3:asked`: what a3 last asked EC2 for, of what somebody else can change there. Between it, the
//! spec and what EC2 shows, a plan can tell what was edited in the file from what was changed in the
//! console. It decides nothing but that: what is done follows from the spec and from EC2 alone.

use std::collections::BTreeMap;

use sha2::Digest as _;

use super::own_tags;
use super::reason::{Origin, Shown};
use crate::observed::OwnedInstance;
use crate::spec::Ec2;

/// The tag.
pub const TAG: &str = "a3:asked";

/// EC2's limit for a value.
const LONGEST: usize = 256;

/// Characters of a tag's hash: as many tags as EC2 takes have to fit.
const TAG_WIDTH: usize = 4;

/// Characters of the hash of anything else.
const WIDTH: usize = 6;

/// Of what the spec says nothing; of groups it is the managed one, by whatever id it has.
const UNSAID: &str = "-";

/// The version and `field=value` pairs, as the tag has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked(BTreeMap<String, String>);

/// The tag's value: `1 groups=- hops=1 … tags=… type=t2.micro`. It holds no clock, user or random value.
/// `key` is the fingerprint of the managed pair that a launch takes, where there is one.
pub(crate) fn to_tag(ec2: &Ec2, key: Option<&str>) -> String {
    Asked::of_spec(ec2, key).to_tag()
}

/// The tag's value after a change in place: price and key stay what the launch asked for.
pub(crate) fn after_change(one: &OwnedInstance, ec2: &Ec2) -> String {
    let mut asked = Asked::of_spec(ec2, None);
    let launched = Asked::of(one);
    for field in ["price", "key"] {
        match launched.as_ref().and_then(|launched| launched.get(field)) {
            Some(value) => drop(asked.0.insert(field.into(), value.to_owned())),
            None => drop(asked.0.remove(field)),
        }
    }
    asked.to_tag()
}

/// The same tag after the protection was lifted, for an instance that is ended next.
pub(crate) fn unprotected(one: &OwnedInstance) -> Option<String> {
    let mut asked = Asked::of(one)?;
    asked.0.insert("protect".into(), "0".into());
    Some(asked.to_tag())
}

impl Asked {
    /// What an instance says; `None` for one of an a3 that wrote no such tag, or another version of it.
    pub(crate) fn of(one: &OwnedInstance) -> Option<Self> {
        Self::parse(one.tags.get(TAG)?)
    }

    fn of_spec(ec2: &Ec2, key: Option<&str>) -> Self {
        let limit = ec2.metadata_options.http_put_response_hop_limit;
        let protect = match ec2.disable_api_termination {
            None => UNSAID,
            Some(true) => "1",
            Some(false) => "0",
        };
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut ask = |field: &str, value: String| drop(fields.insert(field.to_owned(), value));
        ask("type", ec2.instance_type.clone());
        ask("hops", limit.to_string());
        ask("protect", protect.to_owned());
        ask("groups", groups(&ec2.vpc_security_group_ids));
        ask("profile", profile(ec2.iam_instance_profile.as_deref()));
        ask("price", price(ec2));
        if let Some(key) = key {
            ask("key", short(key, WIDTH));
        }
        ask("tags", ec2.tags.iter().map(|(key, value)| tag(key, value)).collect());
        Self(fields)
    }

    fn parse(tag: &str) -> Option<Self> {
        let fields = tag.strip_prefix("1 ")?.split(' ');
        let pairs = fields.map(|field| field.split_once('='));
        pairs
            .map(|pair| pair.map(|(field, value)| (field.to_owned(), value.to_owned())))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn to_tag(&self) -> String {
        let text = |without: &str| {
            let fields = self.0.iter().filter(|(field, _)| *field != without);
            let fields: Vec<String> = fields.map(|(field, value)| format!("{field}={value}")).collect();
            format!("1 {}", fields.join(" "))
        };
        // Where it does not fit, it is not known which key it was, or else who changed the tags.
        let mut texts = ["", "key"].into_iter().map(text);
        texts.find(|text| text.len() <= LONGEST).unwrap_or_else(|| text("tags"))
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }
}

/// Who made an instance differ from the spec, field by field.
#[derive(Debug)]
pub(super) struct Origins<'a> {
    asked: Option<Asked>,
    one: &'a OwnedInstance,
}

impl<'a> Origins<'a> {
    pub(super) fn of(one: &'a OwnedInstance) -> Self {
        Self { asked: Asked::of(one), one }
    }

    /// Of a field whose value is in the tag as it is.
    pub(super) fn plain(&self, field: &str, wanted: &str, found: &str) -> Origin {
        let Some(asked) = self.asked.as_ref().and_then(|asked| asked.get(field)) else {
            return Origin::NotKnown;
        };
        origin(asked == wanted, asked == found, || Shown::text(asked))
    }

    pub(super) fn protection(&self, wanted: bool, found: bool) -> Origin {
        let text = |flag: bool| if flag { "1" } else { "0" };
        match self.plain("protect", text(wanted), text(found)) {
            // Nothing was asked for, so whatever it was, it was not a3's until now.
            Origin::Both { .. } => Origin::Spec,
            origin => origin,
        }
    }

    /// Of the groups: `named` those of the spec (none: the managed one), `managed` whether the instance is
    /// in just the managed one.
    pub(super) fn groups(&self, named: &[String], found: &[String], managed: bool) -> Origin {
        let Some(asked) = self.asked.as_ref().and_then(|asked| asked.get("groups")) else {
            return Origin::NotKnown;
        };
        let as_asked = if asked == UNSAID { managed } else { asked == groups(found) };
        origin(asked == groups(named), as_asked, || Shown::NotKnown)
    }

    /// Whether it was launched into, or last moved to, the managed group.
    pub(super) fn asked_for_managed_group(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.get("groups") == Some(UNSAID))
    }

    pub(super) fn profile(&self, wanted: Option<&str>, found: Option<&str>) -> Origin {
        match self.plain("profile", &profile(wanted), &profile(found)) {
            Origin::Both { .. } => Origin::Both { asked: Shown::NotKnown },
            origin => origin,
        }
    }

    /// Of a tag of the person's; `wanted` is `None` for one that left the spec.
    pub(super) fn tag(&self, key: &str, wanted: Option<&str>) -> Origin {
        let Some(asked) = self.asked.as_ref().and_then(|asked| asked.get("tags")) else {
            return Origin::NotKnown;
        };
        let own = self.one.tags.get(own_tags::TAG).is_some_and(|own| own_tags::names(own, key));
        if !own {
            // Whoever gave the instance this tag: it was not a3's until now.
            return Origin::Spec;
        }
        let has =
            |value: &str| asked.as_bytes().chunks(TAG_WIDTH).any(|known| known == tag(key, value).as_bytes());
        let found = self.one.tags.get(key);
        origin(wanted.is_some_and(has), found.is_some_and(|found| has(found)), || Shown::NotKnown)
    }

    /// Whether it was launched with the key of this fingerprint; `None` where that is not known.
    pub(super) fn launched_with(&self, fingerprint: &str) -> Option<bool> {
        Some(self.asked.as_ref()?.get("key")? == short(fingerprint, WIDTH))
    }

    /// Whether another highest price was asked for at the launch.
    pub(super) fn other_price(&self, ec2: &Ec2) -> bool {
        let asked = self.asked.as_ref().and_then(|asked| asked.get("price"));
        asked.is_some_and(|asked| asked != price(ec2))
    }
}

/// Of a field that differs: whether the spec still says what was asked for, and whether EC2 still has it.
fn origin(spec_as_asked: bool, found_as_asked: bool, asked: impl FnOnce() -> Shown) -> Origin {
    match (spec_as_asked, found_as_asked) {
        (true, _) => Origin::World,
        (false, true) => Origin::Spec,
        (false, false) => Origin::Both { asked: asked() },
    }
}

fn groups(ids: &[String]) -> String {
    if ids.is_empty() {
        return UNSAID.to_owned();
    }
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    short(&ids.join(" "), WIDTH)
}

fn profile(name: Option<&str>) -> String {
    name.map_or(UNSAID.to_owned(), |name| short(name, WIDTH))
}

fn price(ec2: &Ec2) -> String {
    let price = ec2.spot.as_ref().and_then(|spot| spot.max_price.as_deref());
    price.map_or(UNSAID.to_owned(), |price| short(price, WIDTH))
}

fn tag(key: &str, value: &str) -> String {
    short(&format!("{key}\0{value}"), TAG_WIDTH)
}

pub(super) fn short(text: &str, width: usize) -> String {
    let mut hash = data_encoding::BASE64URL_NOPAD.encode(&sha2::Sha256::digest(text));
    hash.truncate(width);
    hash
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::spec::{Ami, MetadataOptions, RootBlockDevice, Spot};

    fn ec2() -> Ec2 {
        Ec2 {
            count: 1,
            region: None,
            profile: None,
            allowed_account_ids: Vec::new(),
            instance_type: "t2.micro".into(),
            ami: Ami::Id("ami-1".into()),
            key_name: None,
            vpc_security_group_ids: Vec::new(),
            subnet_id: None,
            iam_instance_profile: None,
            root_block_device: RootBlockDevice::default(),
            user_data: None,
            tags: IndexMap::new(),
            metadata_options: MetadataOptions::default(),
            spot: None,
            disable_api_termination: None,
            ttl: None,
            allow_from: None,
            allow_ssh_from: None,
            address_url: None,
        }
    }

    #[test]
    fn the_value_says_everything_and_nothing_of_whom_or_when() {
        assert_eq!(to_tag(&ec2(), None), "1 groups=- hops=1 price=- profile=- protect=- tags= type=t2.micro");
        let tag = to_tag(&ec2(), Some("SHA256:mine"));
        assert_eq!(Asked::parse(&tag).unwrap().to_tag(), tag);
        assert!(tag.contains(" key=") && !tag.contains("mine"), "{tag}");
        assert_eq!(Asked::parse("2 groups=-"), None);
        assert_eq!(Asked::parse("1 nonsense"), None);
    }

    #[test]
    fn as_many_tags_as_ec2_takes_fit_and_too_much_leaves_the_tags_out() {
        let mut full = ec2();
        full.instance_type = "u7inh-32tb.480xlarge".into();
        full.metadata_options.http_put_response_hop_limit = 64;
        full.vpc_security_group_ids = (0..16).map(|number| format!("sg-{number:017}")).collect();
        full.iam_instance_profile = Some("a profile".repeat(12));
        full.spot = Some(Spot { max_price: Some("0.0123".into()) });
        full.tags = (0..39).map(|number| (format!("{number:0128}"), "v".repeat(256))).collect();
        let key = Some("SHA256:mine");
        let tag = to_tag(&full, key);
        assert!(tag.len() <= LONGEST && tag.contains(" tags="), "{}: {tag}", tag.len());
        full.instance_type = "x".repeat(60);
        let tag = to_tag(&full, key);
        assert!(
            tag.len() <= LONGEST && !tag.contains(" tags=") && tag.contains(" key="),
            "{}: {tag}",
            tag.len()
        );
    }
}

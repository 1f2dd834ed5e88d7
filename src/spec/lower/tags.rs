//! The tags of what is launched, within EC2's limits
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>).

use indexmap::IndexMap;

use crate::spec::diagnostic::Problem;
use crate::spec::model::OWN_TAGS;
use crate::spec::raw::instance::RawEc2;
use crate::spec::read::Cx;
use crate::spec::shapes::plain;
use crate::spec::source::Origin;

/// Tags that EC2 takes on one instance.
const MOST: usize = 50;

/// Characters of a key.
const LONGEST_KEY: usize = 128;

/// Characters of a value.
const LONGEST_VALUE: usize = 256;

pub(super) fn tags(raw: &RawEc2, cx: &mut Cx<'_>) -> IndexMap<String, String> {
    let tags = plain(&raw.tags);
    let places: Vec<Origin> =
        raw.tags.get().iter().flat_map(|pairs| pairs.0.values()).map(|pair| pair.key).collect();
    for ((name, value), at) in tags.iter().zip(&places) {
        if let Some(problem) = wrong(name, value, *at) {
            cx.report(problem);
        }
    }
    // A `Name` of the person's takes the place of a3's.
    let room = MOST - OWN_TAGS + usize::from(tags.contains_key("Name"));
    if let Some(first) = places.get(room) {
        let (many, own) = (tags.len(), MOST - room);
        let many = format!("{many} tags are too many: EC2 takes {MOST}, and a3 needs {own} of them");
        let help = format!("leave out {}: there is room for {room} of yours", tags.len() - room);
        cx.report(Problem::new(*first, many).label("from here on").help(help));
    }
    tags
}

fn wrong(name: &str, value: &str, at: Origin) -> Option<Problem> {
    let owner = [("a3:", "a3"), ("aws:", "AWS")].into_iter().find(|(prefix, _)| name.starts_with(prefix));
    if let Some((_, owner)) = owner {
        let problem = Problem::new(at, format!("the tag `{name}` has a prefix that is {owner}'s own"));
        return Some(problem.label("here").help("give it another name"));
    }
    let (key, value) = (name.chars().count(), value.chars().count());
    if key > LONGEST_KEY {
        let problem = Problem::new(at, format!("a tag's key has at most {LONGEST_KEY} characters"));
        return Some(problem.label(format!("this one has {key}")).help("give it a shorter name"));
    }
    // Not the value itself: it may come from a variable.
    let problem = || Problem::new(at, format!("a tag's value has at most {LONGEST_VALUE} characters"));
    (value > LONGEST_VALUE).then(|| problem().label(format!("this one has {value}")).help("make it shorter"))
}

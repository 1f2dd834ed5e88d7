//! The IAM policy that allows what was denied, cut out of the one that the documentation hands out.

use serde_json::Value;

/// What a3 needs in all.
const WHOLE: &str = include_str!("../../docs/iam-policy.json");

/// The region that it is written for.
const REGION: &str = "us-west-2";

/// A policy for these actions in a region; `None` where nothing is missing.
pub(super) fn policy(denied: &[&str], region: &str) -> Option<Value> {
    let mut policy: Value = serde_json::from_str(&WHOLE.replace(REGION, region)).ok()?;
    let statements = policy["Statement"].as_array_mut()?;
    for statement in statements.iter_mut() {
        let actions = statement["Action"].as_array_mut()?;
        actions.retain(|action| action.as_str().is_some_and(|action| denied.contains(&action)));
    }
    statements.retain(|statement| statement["Action"].as_array().is_some_and(|actions| !actions.is_empty()));
    let some = !statements.is_empty();
    some.then_some(policy)
}

/// Every action that a3 needs.
pub(super) fn actions() -> Vec<String> {
    let policy: Value = serde_json::from_str(WHOLE).unwrap_or_default();
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().into_iter().flatten());
    actions.filter_map(|action| action.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_in_it_for_the_right_region() {
        assert_eq!(policy(&[], "eu-north-1"), None);
        let some = policy(&["ec2:RunInstances", "ec2:DescribeVpcs"], "eu-north-1").unwrap();
        let statements = some["Statement"].as_array().unwrap();
        let shown: Vec<String> = statements.iter().map(|one| one["Action"].to_string()).collect();
        assert_eq!(shown, ["[\"ec2:DescribeVpcs\"]", "[\"ec2:RunInstances\"]"]);
        assert_eq!(statements[1]["Condition"]["StringEquals"]["aws:RequestedRegion"], "eu-north-1");
        assert!(actions().len() > 20);
    }
}

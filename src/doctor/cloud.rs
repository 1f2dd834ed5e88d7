//! AWS: who one is, where, and what one may do there.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use super::policy;
use crate::ec2::{Asked, Cloud, CloudError, Permission};
use crate::explain::Explain as _;
use crate::init::Around;
use crate::report::doctor::{Finding, Health};
use crate::report::words::counted;
use crate::spec::{Ec2, Machine, Spec};

/// Without a deployment, AWS is not needed; it is said whether it would work.
pub(super) async fn check_any() -> Vec<Finding> {
    let region = Around::here().region();
    let place = region.as_deref().unwrap_or("us-west-2");
    vec![match Cloud::connect_to(place).await {
        Ok(cloud) => who(&cloud),
        Err(error) => {
            let mut finding = Finding::of("AWS", Health::Warning, &error.cause());
            finding.message.push_str("; it is needed for `ec2` only");
            finding
        }
    }]
}

/// Every account and region of the spec, and the policy that is missing in each.
pub(super) async fn check(spec: &Spec) -> (Vec<Finding>, Vec<Value>) {
    let mut asked: BTreeMap<(Option<&str>, Option<&str>), &Ec2> = BTreeMap::new();
    for group in spec.groups.values() {
        if let Machine::Ec2(ec2) = &group.machine {
            asked.entry((ec2.profile.as_deref(), ec2.region.as_deref())).or_insert(ec2);
        }
    }
    let (mut findings, mut policies) = (Vec::new(), Vec::new());
    for (found, policy) in join_all(asked.into_values().map(of_region)).await {
        findings.extend(found);
        policies.extend(policy);
    }
    (findings, policies)
}

async fn of_region(ec2: &Ec2) -> (Vec<Finding>, Option<Value>) {
    let cloud = match Cloud::connect(ec2).await {
        Ok(cloud) => cloud,
        Err(error) => return (vec![failed(&error)], None),
    };
    let (regions, permissions) = futures_util::join!(cloud.regions(), cloud.permissions(ec2));
    let mut findings = vec![who(&cloud)];
    match regions {
        Ok(regions) if !regions.contains(&cloud.region) => findings.push(Finding {
            health: Health::Failed,
            help: Some(format!("aws account enable-region --region-name {}; or write another", cloud.region)),
            ..Finding::ok("AWS", format!("{} is not a region of this account, or not enabled", cloud.region))
        }),
        // What is denied is among the permissions.
        Ok(_) | Err(_) => {}
    }
    let (found, denied) = rights(&cloud.region, &permissions);
    findings.extend(found);
    (findings, policy::policy(&denied, &cloud.region))
}

fn who(cloud: &Cloud) -> Finding {
    Finding::ok("AWS", format!("account {}, as {}, in {}", cloud.account, cloud.caller, cloud.region))
}

fn failed(error: &CloudError) -> Finding {
    let health = match error {
        CloudError::Unreachable { .. } => Health::Unreachable,
        _ => Health::Failed,
    };
    Finding::of("AWS", health, &error.cause())
}

/// What may be done, and what may not.
fn rights<'a>(region: &str, asked: &'a [Asked]) -> (Vec<Finding>, Vec<&'a str>) {
    let of = |wanted: fn(&Permission) -> bool| -> Vec<&'a str> {
        asked.iter().filter(|(_, permission)| wanted(permission)).map(|(action, _)| *action).collect()
    };
    let allowed = of(|permission| *permission == Permission::Allowed);
    let denied = of(|permission| *permission == Permission::Denied);
    let mut findings = Vec::new();
    if !allowed.is_empty() {
        findings.push(Finding::ok(
            "permissions",
            format!("{} are allowed in {region}", counted(allowed.len(), "call")),
        ));
    }
    if !denied.is_empty() {
        findings.push(Finding {
            health: Health::Failed,
            help: Some("add the policy below to this user or role".to_owned()),
            ..Finding::ok("permissions", format!("not allowed in {region}: {}", denied.join(", ")))
        });
    }
    let said: Vec<&str> = allowed.iter().chain(&denied).copied().collect();
    let open: Vec<String> =
        policy::actions().into_iter().filter(|action| !said.contains(&action.as_str())).collect();
    let open: Vec<&str> = open.iter().map(|action| action.trim_start_matches("ec2:")).collect();
    let message = format!("not known before they are done: {}", open.join(", "));
    findings.push(Finding::ok("permissions", message));
    (findings, denied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_named_and_what_is_open_too() {
        let asked = [
            ("ec2:DescribeImages", Permission::Allowed),
            ("ec2:RunInstances", Permission::Denied),
            ("ec2:ImportKeyPair", Permission::NotChecked("InvalidKey.Format".to_owned())),
        ];
        let (findings, denied) = rights("us-west-2", &asked);
        assert_eq!(denied, ["ec2:RunInstances"]);
        let health: Vec<Health> = findings.iter().map(|one| one.health).collect();
        assert_eq!(health, [Health::Ok, Health::Failed, Health::Ok]);
        assert!(
            findings[2].message.contains("ImportKeyPair")
                && findings[2].message.contains("TerminateInstances")
        );
        assert!(!findings[2].message.contains("DescribeImages"));
    }
}

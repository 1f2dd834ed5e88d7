//! What a change of `ec2` does to machines that run: groups that leave, types and deadlines that
//! change, a region that is left.

use crate::cloud::{self, console, on_host};
use crate::deployment::Deployment;
use crate::pool::group;

/// Machines need no services.
fn two_groups(name: &str) -> Deployment {
    let spec = format!("name: {name}\ninstances:\n{}{}", group("web"), group("db"));
    Deployment::new(name, &spec)
}

fn managed(name: &str) -> Vec<String> {
    let line = "found = [g['GroupName'] for g in ec2.describe_security_groups()['SecurityGroups']]\n\
                found += [k['KeyName'] for k in ec2.describe_key_pairs()['KeyPairs']]\n\
                print(json.dumps(sorted(n for n in found if n.startswith(sys.argv[1]))))";
    serde_json::from_value(console(line, &[&format!("a3-{name}-")])).unwrap()
}

#[test]
fn a_group_leaves_with_its_firewall_and_key_and_the_other_changes_in_place() {
    let name = "leaving";
    let moving = two_groups(name);
    moving.apply();
    assert_eq!(cloud::live_instances(name).len(), 2);
    assert_eq!(managed(name), ["a3-leaving-db", "a3-leaving-db", "a3-leaving-web", "a3-leaving-web"]);

    moving.edit("deploy.yaml", &group("db"), "");
    let plan = moving.plan();
    assert_eq!(plan.kinds(), ["terminate", "delete_firewall", "delete_key"]);
    moving.a3(&["apply", "--yes"]).ended(73).says("--allow-terminate");
    moving.a3(&["apply", "--yes", "--allow-terminate"]).ok();
    moving.is_converged();
    assert_eq!(managed(name), ["a3-leaving-web", "a3-leaving-web"]);

    // The type wants a stop, the deadline is on the machine, which comes back at another address.
    let id = moving.id();
    moving.edit("deploy.yaml", "instance_type: t2.micro", "instance_type: t3.small\n      ttl: 9h");
    let plan = moving.plan();
    assert_eq!(plan.kinds(), ["modify"]);
    moving.apply();
    moving.is_converged();
    assert_eq!(moving.id(), id, "the same machine");
    let deadline = on_host(&id, &format!("cat /var/lib/a3/{name}/deadline"));
    assert!(deadline.trim().parse::<u64>().is_ok(), "{deadline}");

    // Stopped, it has to run before its deadline can move.
    cloud::stop(&id);
    moving.edit("deploy.yaml", "ttl: 9h", "ttl: 10h");
    assert_eq!(moving.plan().kinds(), ["start", "modify"]);
    moving.apply();
    moving.is_converged();
    assert_ne!(on_host(&id, &format!("cat /var/lib/a3/{name}/deadline")), deadline);
    moving.destroy();
    assert!(managed(name).is_empty());
}

//! `--ephemeral-access`: a build server leaves no door open for its address, however it ended.

use crate::cloud::{console, on_host, rules};
use crate::deployment::Deployment;
use crate::pool::group;

/// A colleague's way in, on another machine.
fn let_somebody_in(group: &str) {
    let line = "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': [sys.argv[1]]}])['SecurityGroups'][0]\n\
                ranges = [{'CidrIp': '198.51.100.7/32', 'Description': 'ssh arn:aws:iam::123456789012:user/them abc'}]\n\
                ec2.authorize_security_group_ingress(GroupId=group['GroupId'], IpPermissions=[\n\
                \x20   {'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': ranges}])";
    console(line, &[group]);
}

#[test]
fn the_callers_own_access_ends_with_the_command() {
    let name = "ephemeral";
    let spec = format!("name: {name}\ninstances:\n{}", group("web"));
    let build = Deployment::new(name, &spec);
    let managed = format!("a3-{name}-web");
    let yes = ["apply", "--yes", "--ephemeral-access"];
    build.a3(&yes).ok().says("in no more");
    assert!(rules(&managed).is_empty(), "{:?}", rules(&managed));
    let_somebody_in(&managed);
    let theirs = ["22 198.51.100.7/32"];

    // The next plan opens it again, and the next apply leaves it as it was before.
    let plan = build.plan();
    assert_eq!((plan.kinds(), plan.reasons("firewall")), (vec!["firewall"], vec!["rule_missing"]));
    build.a3(&yes).ok();
    assert_eq!(rules(&managed), theirs);

    // Nobody said yes: refused, and closed all the same.
    build.apply();
    assert_eq!(rules(&managed).len(), 2);
    build.edit("deploy.yaml", "      instance_type:", "      tags: { team: music }\n      instance_type:");
    build.a3(&["apply", "--ephemeral-access"]).ended(73).says("in no more");
    assert_eq!(rules(&managed), theirs);
    // So it is when the work fails: the deadline cannot be written down on the machine.
    build.apply();
    on_host(&build.id(), "rm -rf /var/lib/a3 && touch /var/lib/a3");
    build.edit("deploy.yaml", "      instance_type:", "      ttl: 8h\n      instance_type:");
    build.a3(&yes).ended(1).says("in no more");
    assert_eq!(rules(&managed), theirs);
    on_host(&build.id(), "rm /var/lib/a3");
    build.a3(&["destroy", "--yes", "--ephemeral-access"]).ok().says("Nothing is left of");
}

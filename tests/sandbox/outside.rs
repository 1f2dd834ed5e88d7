//! What somebody changes past a3, in the console or with docker: the next plan says that it was changed
//! outside a3, apart from what was edited in the spec; apply mends it in place, and nothing is left to do.

use serde_json::Value;

use crate::cloud::{console, instance, rules};
use crate::deployment::Deployment;
use crate::pool::{borrow, web};

/// A tag of an instance.
fn tag(id: &str, key: &str) -> Option<String> {
    let found = instance(id);
    let tags = found["Tags"].as_array().unwrap();
    let one = tags.iter().find(|tag| tag["Key"] == key)?;
    one["Value"].as_str().map(str::to_owned)
}

fn set_tag(id: &str, key: &str, value: &str) {
    let line = "ec2.create_tags(Resources=[sys.argv[1]], Tags=[{'Key': sys.argv[2], 'Value': sys.argv[3]}])";
    console(line, &[id, key, value]);
}

fn set_hops(id: &str, hops: u32) {
    let line = "ec2.modify_instance_metadata_options(InstanceId=sys.argv[1], HttpPutResponseHopLimit=int(sys.argv[2]))";
    console(line, &[id, &hops.to_string()]);
}

fn hops(id: &str) -> Value {
    instance(id)["MetadataOptions"]["HttpPutResponseHopLimit"].clone()
}

fn protect(id: &str, flag: bool) {
    let flag = if flag { "True" } else { "False" };
    let line = format!(
        "ec2.modify_instance_attribute(InstanceId=sys.argv[1], DisableApiTermination={{'Value': {flag}}})"
    );
    console(&line, &[id]);
}

fn is_protected(id: &str) -> Value {
    let line = "found = ec2.describe_instance_attribute(InstanceId=sys.argv[1], Attribute='disableApiTermination')\n\
                print(json.dumps(found['DisableApiTermination']['Value']))";
    console(line, &[id])
}

fn into_default_group(id: &str) -> String {
    let line = "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': ['default']}])['SecurityGroups'][0]\n\
                ec2.modify_instance_attribute(InstanceId=sys.argv[1], Groups=[group['GroupId']])\n\
                print(json.dumps(group['GroupId']))";
    console(line, &[id]).as_str().unwrap().to_owned()
}

fn groups(id: &str) -> Vec<String> {
    let found = instance(id);
    let groups = found["SecurityGroups"].as_array().unwrap().iter();
    groups.map(|group| group["GroupId"].as_str().unwrap().to_owned()).collect()
}

/// Makes it what the spec says without a machine that is new.
#[track_caller]
fn mends(deployment: &Deployment, id: &str) {
    deployment.apply().says("changed outside a3");
    deployment.is_converged();
    assert_eq!(deployment.id(), id, "the same machine");
}

#[test]
fn what_was_changed_in_the_console_is_told_apart_and_mended() {
    let web = web("outside");
    web.edit(
        "deploy.yaml",
        "      instance_type: t2.micro\n",
        "      instance_type: t2.micro\n      tags: { team: music, stage: test }\n      \
         disable_api_termination: false\n",
    );
    web.apply();
    let id = web.id();
    let asked = tag(&id, "a3:asked").unwrap();
    assert!(asked.starts_with("1 ") && asked.contains(" type=t2.micro"), "{asked}");
    let managed = groups(&id);

    set_tag(&id, "team", "theirs");
    set_tag(&id, "cost center", "7");
    set_hops(&id, 3);
    protect(&id, true);
    into_default_group(&id);
    let plan = web.plan();
    assert_eq!(plan.kinds()[0], "modify", "{plan:?}");
    let fields = [
        "disable_api_termination outside",
        "metadata_options.http_put_response_hop_limit outside",
        "tags.team outside",
        "vpc_security_group_ids outside",
    ];
    assert_eq!(plan.origins(), fields);
    assert!(plan.reasons("modify").iter().all(|reason| *reason == "field_drifted"), "{plan:?}");
    mends(&web, &id);
    assert_eq!((tag(&id, "team").as_deref(), tag(&id, "cost center").as_deref()), (Some("music"), Some("7")));
    assert_eq!((hops(&id), is_protected(&id), groups(&id)), (1.into(), false.into(), managed));
    assert_eq!(tag(&id, "a3:asked").as_deref(), Some(asked.as_str()), "the same was asked for");

    // Somebody there and somebody in the file, in other fields and in the same one.
    set_tag(&id, "team", "theirs");
    set_hops(&id, 3);
    web.edit("deploy.yaml", "team: music, stage: test", "team: others, stage: more");
    let plan = web.plan();
    let fields =
        ["metadata_options.http_put_response_hop_limit outside", "tags.stage spec", "tags.team both"];
    assert_eq!(plan.origins(), fields);
    let reasons = ["field_drifted", "field_drifted", "fields_changed"];
    assert_eq!(plan.reasons("modify"), reasons);
    web.a3(&["plan"]).ok().says("tags.team is theirs, which a3 had not set").says("because the spec changed");
    mends(&web, &id);
    assert_eq!((tag(&id, "team").as_deref(), tag(&id, "stage").as_deref()), (Some("others"), Some("more")));
    assert_ne!(tag(&id, "a3:asked").as_deref(), Some(asked.as_str()));

    // An edit of the file alone is no drift; what it asks for is written down, the type too.
    web.edit("deploy.yaml", "instance_type: t2.micro", "instance_type: t2.small");
    let plan = web.plan();
    assert_eq!(plan.origins(), ["instance_type spec"]);
    assert_eq!(plan.reasons("modify"), ["fields_changed"]);
    web.apply();
    web.is_converged();
    let asked = tag(&id, "a3:asked").unwrap();
    assert!(asked.contains(" type=t2.small"), "{asked}");

    // Of an instance without the tag nobody can say, and that alone is nothing to do.
    console("ec2.delete_tags(Resources=[sys.argv[1]], Tags=[{'Key': 'a3:asked'}])", &[&id]);
    web.is_converged();
    set_hops(&id, 2);
    assert_eq!(web.plan().reasons("modify"), ["fields_differ"]);
    web.apply();
    web.is_converged();
    // Written with the next change; what price the launch had asked for is not known any more.
    assert_eq!(tag(&id, "a3:asked"), Some(asked.replace(" price=-", "")));
    web.destroy();
}

#[test]
fn rules_that_somebody_took_away_or_added_in_the_console() {
    let web = borrow();
    let group = format!("a3-{}-web", web.name);
    let before = rules(&group);
    let add = "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': [sys.argv[1]]}])['SecurityGroups'][0]\n\
               for port, description in ((8081, 'port'), (8082, 'by hand')):\n    \
                 ec2.authorize_security_group_ingress(GroupId=group['GroupId'], IpPermissions=[{'IpProtocol': 'tcp',\n        \
                 'FromPort': port, 'ToPort': port, 'IpRanges': [{'CidrIp': '192.0.2.0/24', 'Description': description}]}])";
    console(add, &[&group]);
    crate::cloud::revoke(&group, 30001);
    let plan = web.plan();
    assert_eq!(
        (plan.kinds(), plan.reasons("firewall")),
        (vec!["firewall"], vec!["rule_missing", "rule_unwanted"])
    );
    assert!(plan.is_drift("firewall"), "{plan:?}");
    web.a3(&["plan"])
        .ok()
        .says("the rule `8081/tcp from 192.0.2.0/24` is there, which a3 had not opened")
        .says("by drift");
    web.apply();
    web.is_converged();
    let mut kept = before;
    kept.push("8082 192.0.2.0/24".to_owned());
    kept.sort();
    assert_eq!(rules(&group), kept, "what is not a3's stays");
    let close = "group = ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': [sys.argv[1]]}])['SecurityGroups'][0]\n\
                 ec2.revoke_security_group_ingress(GroupId=group['GroupId'], IpPermissions=[{'IpProtocol': 'tcp',\n    \
                 'FromPort': 8082, 'ToPort': 8082, 'IpRanges': [{'CidrIp': '192.0.2.0/24'}]}])";
    console(close, &[&group]);
}

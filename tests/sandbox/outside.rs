//! What somebody changes past a3, in the console or with docker: the next plan says that it was changed
//! outside a3, apart from what was edited in the spec; apply mends it in place, and nothing is left to do.

use serde_json::Value;

use crate::cloud::{console, host_docker, instance, on_host, revoke, rules};
use crate::deployment::Deployment;
use crate::pool::{borrow, web};
use crate::process::run;

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

fn set_tokens(id: &str, state: &str) {
    let line = "ec2.modify_instance_metadata_options(InstanceId=sys.argv[1], HttpTokens=sys.argv[2])";
    console(line, &[id, state]);
}

fn tokens(id: &str) -> Value {
    instance(id)["MetadataOptions"]["HttpTokens"].clone()
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
    set_tokens(&id, "optional");
    protect(&id, true);
    into_default_group(&id);
    let plan = web.plan();
    assert_eq!(plan.kinds()[0], "modify", "{plan:?}");
    let fields = [
        "disable_api_termination outside",
        "metadata_options.http_put_response_hop_limit outside",
        "metadata_options.http_tokens outside",
        "tags.team outside",
        "vpc_security_group_ids outside",
    ];
    assert_eq!(plan.origins(), fields);
    assert!(plan.reasons("modify").iter().all(|reason| *reason == "field_drifted"), "{plan:?}");
    let status = web.status();
    let told = status["instances"][0]["drift"].as_str().unwrap();
    assert!(told.starts_with("changed outside a3 (tags.team, vpc_security_group_ids"), "{told}");
    let rows = status["differences"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["address"] == "web/0" && row["origin"] == "outside"), "{rows:?}");
    assert_eq!(rows.len(), fields.len());
    mends(&web, &id);
    assert_eq!((tag(&id, "team").as_deref(), tag(&id, "cost center").as_deref()), (Some("music"), Some("7")));
    assert_eq!(tokens(&id), "required");
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
    web.a3(&["plan"])
        .ok()
        .says("tags.team is `theirs`, not what a3 had set")
        .says("because the spec changed");
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
    // Written with the next change; price and key of the launch are not known any more.
    let of_launch = |field: &&str| field.starts_with("price=") || field.starts_with("key=");
    let known: Vec<&str> = asked.split(' ').filter(|field| !of_launch(field)).collect();
    assert!(known.len() + 2 == asked.split(' ').count(), "{asked}");
    assert_eq!(tag(&id, "a3:asked"), Some(known.join(" ")));
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
    revoke(&group, 30001);
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

/// What the engine has of the service's container.
fn limits(id: &str) -> String {
    let format = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}";
    host_docker(id, &format!("inspect --format '{format}' s2"))
}

fn container(id: &str) -> String {
    host_docker(id, "inspect --format '{{.Id}}' s2")
}

#[test]
fn docker_update_past_a3_is_mended_in_place_after_a_lost_record_too() {
    let web = borrow();
    let id = web.id();
    web.edit(
        "deploy.yaml",
        "    restart: unless-stopped\n",
        "    restart: unless-stopped\n    mem_limit: 128m\n",
    );
    web.apply();
    web.is_converged();
    let made = container(&id);
    assert_eq!(limits(&id), "134217728 0 unless-stopped");

    host_docker(&id, "update --memory 96m --memory-swap 192m --restart no --cpus 0.5 s2");
    let plan = web.plan();
    assert_eq!((plan.kinds(), plan.is_drift("update_container")), (vec!["update_container"], true));
    assert_eq!(plan.origins(), ["cpus outside", "mem_limit outside", "restart outside"]);
    web.a3(&["plan"]).ok().says("changed outside a3: mem_limit is `96m`, not `128m` as a3 had set it");
    let status = web.status();
    assert_eq!(status["containers"][0]["drift"], "changed outside a3 (restart, mem_limit, cpus)");
    let rows = status["differences"].as_array().unwrap();
    let row = rows.iter().find(|row| row["field"] == "mem_limit").unwrap();
    assert_eq!(
        (&row["address"], &row["asked"], &row["found"]),
        (&"web/0/s2".into(), &"128m".into(), &"96m".into())
    );
    mends(&web, &id);
    let now = limits(&id);
    assert!(now.starts_with("134217728 ") && now.ends_with(" unless-stopped"), "{now}");

    // There and in the file.
    host_docker(&id, "update --memory 96m --memory-swap 192m s2");
    web.edit("deploy.yaml", "mem_limit: 128m", "mem_limit: 160m");
    let plan = web.plan();
    assert_eq!(
        (plan.origins(), plan.reasons("update_container")),
        (vec!["mem_limit both".to_owned()], vec!["field_drifted", "fields_changed"])
    );
    mends(&web, &id);
    assert!(limits(&id).starts_with("167772160 "), "{}", limits(&id));

    // Without a record the engine is asked; what is as the spec says needs nothing.
    on_host(&id, &format!("rm /var/lib/a3/{}/record.json", web.name));
    assert!(!web.plan().kinds().contains(&"update_container"));
    web.edit("deploy.yaml", "mem_limit: 160m", "mem_limit: 144m");
    assert_eq!(web.plan().reasons("update_container"), ["fields_differ"]);
    web.apply();
    web.is_converged();
    assert!(limits(&id).starts_with("150994944 "), "{}", limits(&id));

    // And taken away: the engine keeps a limit of more than there is.
    web.edit("deploy.yaml", "    mem_limit: 144m\n", "");
    assert_eq!(web.plan().kinds(), ["update_container"]);
    web.apply();
    web.is_converged();
    on_host(&id, &format!("rm /var/lib/a3/{}/record.json", web.name));
    assert!(!web.plan().kinds().contains(&"update_container"));
    assert_eq!(container(&id), made, "it never was another container");
    // The next test finds a machine that remembers what it runs.
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: again");
    web.apply();
}

#[test]
fn another_key_is_a_notice_and_the_next_instance_has_it() {
    let web = web("otherkey");
    web.apply();
    let id = web.id();
    let key = web.path("other");
    let mut keygen = std::process::Command::new("ssh-keygen");
    run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key)).ok();
    let before = crate::place::variable("A3_SANDBOX_SSH_KEY");
    web.edit("deploy.yaml", &before, key.to_str().unwrap());
    // The machine knows the earlier key only, so it cannot be asked; that is said beside it.
    let plan = web.a3(&["plan"]);
    assert_ne!(plan.code, Some(0), "{plan}");
    plan.says("a key is set at launch only (a3 apply --replace web/0").says("SHA256:");
    web.a3(&["apply", "--yes", "--replace", "web/0", "--allow-terminate"]).ok();
    assert_ne!(web.id(), id);
    web.is_converged();
    assert!(web.get(30001, "/music.csv").contains("One,Nobody"));
    web.destroy();
}

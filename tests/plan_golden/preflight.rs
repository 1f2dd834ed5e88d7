//! What stands in the way of an apply is said before it, all of it at once, each with what to type.

use a3::observed::{CallSaid, CallSeen, Listening};
use a3::plan::preflight::settle;
use a3::report::saved_plan::canonical;

use super::*;

fn held(port: u16, ip: Option<&str>) -> Listening {
    Listening { protocol: Protocol::Tcp, ip: ip.map(str::to_owned), port }
}

#[test]
fn a_port_that_a_process_holds() {
    let (spec, mut seen) = on_host();
    // The engine's own process listens for the container that runs.
    facts(&mut seen, 0).listening = vec![held(22, None), held(30001, None)];
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    // Without it, somebody else does.
    let mut seen = nothing(&spec);
    facts(&mut seen, 0).listening = vec![held(30001, Some("127.0.0.1"))];
    assert_eq!(ending(&planned("port_of_a_process", &spec, &seen)), "refused");
    facts(&mut seen, 0).listening = vec![Listening { protocol: Protocol::Udp, ..held(30001, None) }];
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "changes");
}

/// Five things are wrong, in five places.
#[test]
fn five_failures_at_once() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let gone = cause("cluster/ghcr.io-token.txt: no such file", "create it, 0600");
    seen.missing.push(Missing { cause: gone, of: ["s2".into()].into() });
    let host = facts(&mut seen, 0);
    host.listening = vec![held(30001, None)];
    host.disk_free = Some(100_000_000);
    host.containers.push(foreign("s2"));
    host.files.insert("/home/ec2-user/music/music.csv".into(), FileSeen::Other);
    let image = remote("large", Some("source 1"));
    seen.images["s2"].reference = RemoteSeen::Found(image.clone());
    seen.images["s2"].source_tag = RemoteSeen::Found(image);
    let plan = planned("five_failures", &spec, &seen);
    assert!(plan.blocked.len() >= 5, "{:#?}", plan.blocked);
    assert!(plan.blocked.iter().all(|blocked| blocked.help.is_some()), "{:#?}", plan.blocked);
}

/// What EC2 says to each call of a plan: `(step's kind, action, answer)`.
fn answered(plan: &mut Plan, said: &[(&str, &'static str, CallSaid)]) {
    let answers = said.iter().flat_map(|(kind, action, said)| {
        let steps = plan.steps.iter().filter(move |step| step.action.kind() == *kind);
        steps.map(move |step| (step.id, CallSeen { action, said: said.clone() }))
    });
    let answers = answers.collect();
    settle(plan, answers);
}

fn denied(action: &str) -> CallSaid {
    let message = format!("the caller may not {action} in us-west-2");
    let cause = cause(&message, &format!("ask for the permission `{action}`, or use another `ec2.profile`"));
    CallSaid::Refused { cause, missing_right: true }
}

fn wrong(message: &str, help: &str) -> CallSaid {
    CallSaid::Refused { cause: cause(message, help), missing_right: false }
}

fn unasked() -> CallSaid {
    CallSaid::NotChecked("not asked: an endpoint that ignores DryRun would do it".into())
}

/// A caller who may launch and nothing else, before anything is there: everything is said at once, beside
/// the steps, and none of it is a part of what a saved plan is held against.
#[test]
fn a_caller_with_few_rights() {
    let (spec, seen) = (spec(), nothing(&spec()));
    let mut plan = plan(&spec, &seen, &Options::default());
    let before = canonical(&plan);
    let said = [
        ("firewall", "ec2:CreateSecurityGroup", denied("ec2:CreateSecurityGroup")),
        ("firewall", "ec2:AuthorizeSecurityGroupIngress", unasked()),
        ("import_key", "ec2:ImportKeyPair", denied("ec2:ImportKeyPair")),
        ("launch", "ec2:RunInstances", CallSaid::Allowed),
        ("launch", "ec2:CreateTags", unasked()),
    ];
    answered(&mut plan, &said);
    golden("few_rights", &plan);
    assert_eq!(ending(&plan), "impossible");
    assert_eq!(canonical(&plan), before);
}

/// Two machines, one refusal in EC2's words; one that is known already is not said again.
#[test]
fn a_launch_that_ec2_would_refuse() {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| ec2.count = 2);
    let mut seen = nothing(&spec);
    let quota =
        || wrong("RunInstances in us-west-2 failed: too many vCPUs (VcpuLimitExceeded)", "end instances");
    let mut first = plan(&spec, &seen, &Options::default());
    answered(&mut first, &[("launch", "ec2:RunInstances", quota())]);
    golden("launch_refused", &first);
    assert_eq!(first.blocked.len(), 2);
    cloud(&mut seen).no_such_type = Some(cause("there is no type t2.gigantic", "choose another"));
    let mut known = plan(&spec, &seen, &Options::default());
    answered(&mut known, &[("launch", "ec2:RunInstances", quota())]);
    assert_eq!(known.blocked.len(), 2, "{:#?}", known.blocked);
    answered(&mut known, &[("launch", "ec2:RunInstances", denied("iam:PassRole"))]);
    assert_eq!(known.blocked.len(), 4, "{:#?}", known.blocked);
}

/// What ends or stops a machine is never asked about: one entry, with what tells.
#[test]
fn a_type_change_that_may_not_be_made() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.instance_type = "t2.small".into());
    let mut plan = plan(&spec, &seen, &Options::default());
    let said = [
        ("modify", "ec2:ModifyInstanceAttribute", denied("ec2:ModifyInstanceAttribute")),
        ("modify", "ec2:StopInstances", unasked()),
        ("modify", "ec2:StartInstances", CallSaid::Allowed),
    ];
    answered(&mut plan, &said);
    golden("type_change_denied", &plan);
    let listed = plan.not_checked.last().unwrap();
    assert!(listed.help.as_ref().unwrap().ends_with("--action-names ec2:StopInstances"), "{listed:?}");
}

/// Another type is asked about as that of a launch is, and what could not be is said.
#[test]
fn a_type_change_says_what_was_not_checked() {
    let (mut spec, mut seen) = on_ec2();
    let denied = || Unchecked { what: "the type".into(), why: "denied".into(), help: None };
    cloud(&mut seen).unchecked.push(denied());
    assert!(plan(&spec, &seen, &Options::default()).not_checked.is_empty());
    edit_ec2(&mut spec, |ec2| ec2.instance_type = "t3.small".into());
    let listed = plan(&spec, &seen, &Options::default()).not_checked;
    let what: Vec<&str> = listed.iter().map(|one| one.what.as_str()).collect();
    assert!(what.starts_with(&["the type", "whether `t3.small` can be started there"]), "{what:?}");
}

/// A type that is not there would be found out once the machine is stopped for it.
#[test]
fn a_type_that_does_not_exist() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.instance_type = "t2.gigantic".into());
    cloud(&mut seen).type_archs.clear();
    cloud(&mut seen).no_such_type =
        Some(cause("t2.gigantic does not exist (InvalidInstanceType)", "choose another"));
    assert_eq!(ending(&planned("type_unknown", &spec, &seen)), "impossible");
}

/// A protection that EC2 does not tell of is no protection that is not there.
#[test]
fn a_protection_that_may_not_be_seen() {
    let (mut spec, mut seen) = on_ec2();
    let denied =
        cause("the caller may not ec2:DescribeInstanceAttribute in us-west-2", "ask for the permission");
    let one = instance(&mut seen, 0);
    (one.protected, one.protection_unseen) = (None, Some(denied));
    let told =
        |plan: &Plan| plan.not_checked.iter().any(|one| one.what.contains("protected from termination"));
    // Nothing hangs on it.
    assert!(!told(&plan(&spec, &seen, &Options::default())));
    for wish in [true, false] {
        edit_ec2(&mut spec, |ec2| ec2.disable_api_termination = Some(wish));
        let plan = plan(&spec, &seen, &Options::default());
        assert!(plan.is_empty() && told(&plan), "{plan:#?}");
    }
    edit_ec2(&mut spec, |ec2| ec2.disable_api_termination = None);
    let replace = Options { replace: [slot(0)].into(), ..Options::default() };
    assert!(told(&plan(&spec, &seen, &replace)));
    assert!(told(&plan_destroy(&spec, &seen, &Destroy::default())));
    edit_ec2(&mut spec, |ec2| ec2.count = 0);
    assert!(told(&planned("protection_unseen", &spec, &seen)));
}

/// Groups that are not there, or in another network; a disk that the AMI does not fit on.
#[test]
fn what_a_launch_names_and_cannot_have() {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| {
        ec2.vpc_security_group_ids = vec!["sg-1".into(), "sg-2".into(), "sg-3".into()];
        ec2.root_block_device.volume_size = Some(4);
    });
    let mut seen = nothing(&spec);
    cloud(&mut seen).own_groups = Some(
        [("sg-1".to_owned(), "vpc-0123".to_owned()), ("sg-2".to_owned(), "vpc-other".to_owned())].into(),
    );
    let plan = planned("launch_names", &spec, &seen);
    assert_eq!((ending(&plan), plan.blocked.len()), ("impossible", 3));
    // Nothing is launched, and nothing is said.
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.root_block_device.volume_size = None);
    cloud(&mut seen).unchecked.push(Unchecked { what: "the type".into(), why: "denied".into(), help: None });
    let plan = a3::plan::plan(&spec, &seen, &Options::default());
    assert!(plan.is_empty() && plan.not_checked.is_empty(), "{plan:#?}");
}

/// An instance cannot be moved to groups of another network.
#[test]
fn groups_of_another_network_in_place() {
    let (mut spec, mut seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.vpc_security_group_ids = vec!["sg-2".into()]);
    instance(&mut seen, 0).vpc_id = Some("vpc-0123".into());
    cloud(&mut seen).own_groups = Some([("sg-2".to_owned(), "vpc-other".to_owned())].into());
    assert_eq!(ending(&planned("groups_elsewhere", &spec, &seen)), "impossible");
}

/// On this machine, with an engine that is elsewhere: neither its disk nor its ports can be seen.
#[test]
fn an_engine_that_is_elsewhere() {
    let mut spec = local_spec();
    spec.services["s2"].build = None;
    let mut seen = nothing(&spec);
    seen.images["s2"].reference = RemoteSeen::Found(remote("v1", None));
    let host = facts(&mut seen, 0);
    (host.ports_known, host.disk_free) = (false, None);
    let plan = planned("engine_elsewhere", &spec, &seen);
    assert_eq!(plan.not_checked.len(), 2, "{:#?}", plan.not_checked);
    // Where nothing is done, there is nothing to check.
    let mut after = simulate::apply(&spec, &seen, &Options::default());
    let host = facts(&mut after, 0);
    (host.ports_known, host.disk_free) = (false, None);
    let plan = a3::plan::plan(&spec, &after, &Options::default());
    assert!(plan.is_empty() && plan.not_checked.is_empty(), "{plan:#?}");
}

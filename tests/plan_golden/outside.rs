//! What somebody changed outside a3 is told apart from what was edited in the spec.

use super::*;
use a3::plan::asked;
use a3::plan::reason::Reason;

/// A deployment with a value in every field that can be changed in the console.
fn with_values() -> (Spec, Observed) {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| {
        ec2.tags.insert("team".into(), "music".into());
        ec2.tags.insert("stage".into(), "test".into());
        ec2.metadata_options.http_put_response_hop_limit = 2;
        ec2.disable_api_termination = Some(true);
        ec2.ttl = None;
    });
    let seen = deployed(&spec);
    (spec, seen)
}

/// Somebody in the console.
fn in_the_console(seen: &mut Observed) {
    let one = instance(seen, 0);
    one.instance_type = "t3.large".into();
    one.hop_limit = Some(3);
    one.tokens_required = Some(false);
    one.protected = Some(false);
    one.security_groups = vec!["sg-0default".into()];
    one.tags.insert("team".into(), "theirs".into());
    one.tags.remove("stage");
    // Not a3's: nobody asked for it.
    one.tags.insert("cost center".into(), "7".into());
}

/// The fields by who made them differ, as the JSON says it.
fn origins(plan: &Plan) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(&PlanDocument::of(plan).to_text()).unwrap();
    let steps = document["steps"].as_array().unwrap();
    let changes = steps.iter().filter(|step| step["kind"] == "modify");
    let fields = changes.flat_map(|step| step["fields"].as_array().unwrap());
    fields.map(|field| format!("{}: {}", field["field"], field["origin"]).replace('"', "")).collect()
}

#[test]
fn in_the_console_alone() {
    let (spec, mut seen) = with_values();
    in_the_console(&mut seen);
    let plan = planned("outside_console", &spec, &seen);
    assert!(plan.steps[0].is_drift());
    assert!(origins(&plan).iter().all(|field| field.ends_with("outside")), "{:?}", origins(&plan));
}

#[test]
fn in_the_file_alone() {
    let (mut spec, seen) = with_values();
    edit_ec2(&mut spec, |ec2| {
        ec2.instance_type = "t3.large".into();
        ec2.metadata_options.http_put_response_hop_limit = 3;
        ec2.disable_api_termination = Some(false);
        ec2.vpc_security_group_ids = vec!["sg-0mine".into()];
        ec2.tags.insert("team".into(), "other".into());
        ec2.tags.shift_remove("stage");
        ec2.tags.insert("new".into(), "1".into());
    });
    let plan = planned("outside_file", &spec, &seen);
    assert!(!plan.steps[0].is_drift());
    assert!(origins(&plan).iter().all(|field| field.ends_with("spec")), "{:?}", origins(&plan));
}

#[test]
fn in_the_console_and_in_the_file() {
    let (mut spec, mut seen) = with_values();
    in_the_console(&mut seen);
    edit_ec2(&mut spec, |ec2| {
        ec2.instance_type = "t3.small".into();
        ec2.metadata_options.http_put_response_hop_limit = 1;
        ec2.tags.insert("team".into(), "other".into());
        ec2.tags.insert("new".into(), "1".into());
    });
    let plan = planned("outside_both", &spec, &seen);
    assert_eq!(
        origins(&plan),
        [
            "instance_type: both",
            "tags.team: both",
            "tags.stage: outside",
            "tags.new: spec",
            "vpc_security_group_ids: outside",
            "metadata_options.http_put_response_hop_limit: both",
            "metadata_options.http_tokens: outside",
            "disable_api_termination: outside",
        ]
    );
    assert!(plan.steps[0].reasons.contains(&Reason::FieldsChanged));
}

/// Launched by an a3 that did not write down what it asked for: the difference is told, and not by whom;
/// the next change writes it down.
#[test]
fn on_an_instance_of_an_older_a3() {
    let (spec, mut seen) = with_values();
    instance(&mut seen, 0).tags.remove(asked::TAG);
    assert!(plan(&spec, &seen, &Options::default()).is_empty(), "the tag alone is no reason for a step");
    in_the_console(&mut seen);
    let first = planned("outside_older", &spec, &seen);
    // Tokens are what every launch asked for.
    assert!(matches!(&first.steps[0].reasons[..], [Reason::FieldDrifted { field, .. }, Reason::FieldsDiffer]
        if field == "metadata_options.http_tokens"));
    let mut after = simulate::apply_plan(&spec, &seen, &first);
    instance(&mut after, 0).instance_type = "t3.large".into();
    let second = plan(&spec, &after, &Options::default());
    assert!(second.steps[0].is_drift(), "{:?}", second.steps[0].reasons);
}

#[test]
fn a_tag_of_somebody_elses_that_the_spec_asks_for_now_is_an_edit() {
    let (mut spec, mut seen) = with_values();
    instance(&mut seen, 0).tags.insert("cost center".into(), "7".into());
    edit_ec2(&mut spec, |ec2| drop(ec2.tags.insert("cost center".into(), "8".into())));
    let plan = plan(&spec, &seen, &Options::default());
    assert_eq!(origins(&plan), ["tags.cost center: spec"]);
}

/// It replaces the machine, so it must not be said to be the person's own doing.
#[test]
fn a_profile_attached_in_the_console() {
    let (spec, mut seen) = on_ec2();
    instance(&mut seen, 0).iam_instance_profile = Some("theirs".into());
    let plan = planned("outside_profile", &spec, &seen);
    assert!(plan.steps[0].is_drift());
}

/// A field that is back where the spec has it is no difference, and what was asked for last stays right.
#[test]
fn a_field_that_somebody_changed_back_is_as_it_should_be() {
    let (spec, mut seen) = with_values();
    in_the_console(&mut seen);
    let one = instance(&mut seen, 0);
    one.instance_type = "t2.micro".into();
    let kinds = kinds(&plan(&spec, &seen, &Options::default()));
    assert_eq!(kinds, ["modify"]);
}

#[test]
fn a_spot_price_counts_for_the_next_instance() {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| ec2.spot = Some(a3::spec::Spot { max_price: Some("0.01".into()) }));
    let mut seen = deployed(&spec);
    edit_ec2(&mut spec, |ec2| ec2.spot = Some(a3::spec::Spot { max_price: Some("0.02".into()) }));
    planned("spot_price_changed", &spec, &seen);
    // A change in place is not a launch.
    edit_ec2(&mut spec, |ec2| drop(ec2.tags.insert("team".into(), "music".into())));
    seen = simulate::apply(&spec, &seen, &Options::default());
    let told = plan(&spec, &seen, &Options::default()).notices;
    assert!(told.iter().any(|notice| notice.contains("max_price")), "{told:?}");
    let replace = Options { replace: [slot(0)].into(), ..Options::default() };
    seen = simulate::apply(&spec, &seen, &replace);
    let told = plan(&spec, &seen, &Options::default()).notices;
    assert!(!told.iter().any(|notice| notice.contains("max_price")), "{told:?}");
}

fn rules(seen: &mut Observed) -> &mut Vec<IngressRule> {
    &mut cloud(seen).security_group.as_mut().unwrap().rules
}

fn rule(port: u16, cidr: &str, description: &str) -> IngressRule {
    IngressRule {
        id: format!("sgr-by-hand-{port}"),
        protocol: Some(Protocol::Tcp),
        from_port: port,
        to_port: port,
        cidr: Some(cidr.into()),
        description: description.into(),
    }
}

/// Whether each rule that is opened or closed was changed outside a3.
fn drifted(plan: &Plan) -> Vec<(String, bool)> {
    let reasons = plan.steps[0].reasons.iter().map(|reason| match reason {
        Reason::RuleMissing { rule, removed } => (rule.clone(), *removed),
        Reason::RuleUnwanted { rule, added } => (rule.clone(), *added),
        other => panic!("{other:?}"),
    });
    reasons.collect()
}

#[test]
fn rules_taken_away_added_and_widened_in_the_console() {
    let mut spec = spec();
    spec.services["s2"].ports.push(port(30009));
    edit_ec2(&mut spec, |ec2| ec2.allow_from = Some(vec!["203.0.113.0/24".into()]));
    let mut seen = deployed(&spec);
    let there = rules(&mut seen);
    there.retain(|rule| rule.from_port != 30001);
    there.iter_mut().filter(|rule| rule.from_port == 30009).for_each(|rule| rule.to_port = 30099);
    there.push(rule(8080, "0.0.0.0/0", "port"));
    there.push(rule(9090, "0.0.0.0/0", "not a3's"));
    let plan = planned("outside_rules", &spec, &seen);
    assert!(drifted(&plan).iter().filter(|(_, drift)| *drift).count() >= 3, "{:?}", drifted(&plan));
}

#[test]
fn rules_edited_in_the_file_while_others_are_taken_away() {
    let mut spec = spec();
    spec.services["s2"].ports.push(port(30009));
    let mut seen = deployed(&spec);
    rules(&mut seen).retain(|rule| rule.from_port != 30001);
    let ports = &mut spec.services["s2"].ports;
    ports.pop();
    ports.push(port(30010));
    let told = drifted(&planned("outside_rules_and_file", &spec, &seen));
    let told: Vec<(&str, bool)> = told.iter().map(|(rule, drift)| (rule.as_str(), *drift)).collect();
    assert_eq!(
        told,
        [
            ("30001/tcp from 198.51.100.4/32", true),
            ("30010/tcp from 198.51.100.4/32", false),
            ("30009/tcp from 198.51.100.4/32", false),
        ]
    );
}

/// One's own rules follow one's address, which nobody has done.
#[test]
fn a_moved_address_is_not_drift_and_a_new_caller_neither() {
    let (spec, mut seen) = on_ec2();
    cloud(&mut seen).caller_cidrs = vec!["198.51.100.99/32".into()];
    let moved = plan(&spec, &seen, &Options::default());
    assert!(drifted(&moved).iter().all(|(_, drift)| !drift), "{:?}", drifted(&moved));
    cloud(&mut seen).caller_id = "teammate@desk".into();
    let theirs = plan(&spec, &seen, &Options::default());
    assert!(drifted(&theirs).iter().all(|(_, drift)| !drift), "{:?}", drifted(&theirs));
    // Theirs beside mine; then mine go, by hand, and theirs stay.
    let mut both = simulate::apply_plan(&spec, &seen, &theirs);
    rules(&mut both).retain(|rule| !rule.description.ends_with("me@laptop"));
    cloud(&mut both).caller_id = "me@laptop".into();
    cloud(&mut both).caller_cidrs = vec!["198.51.100.4/32".into()];
    let mine = plan(&spec, &both, &Options::default());
    assert!(drifted(&mine).iter().all(|(_, drift)| *drift), "{:?}", drifted(&mine));
}

/// Two addresses of one caller have one mark: the rule that stays is still missed when somebody takes it away.
#[test]
fn a_rule_that_stays_while_its_sibling_closes_is_still_a3s() {
    let spec = spec();
    let mut seen = nothing(&spec);
    cloud(&mut seen).caller_cidrs = vec!["198.51.100.4/32".into(), "198.51.100.5/32".into()];
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    cloud(&mut seen).caller_cidrs.pop();
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    rules(&mut seen).clear();
    let missed = drifted(&plan(&spec, &seen, &Options::default()));
    assert!(missed.len() == 2 && missed.iter().all(|(_, drift)| *drift), "{missed:?}");
}

/// A group that an older a3 made says nothing of its rules.
#[test]
fn rules_of_a_group_that_says_nothing() {
    let (mut spec, mut seen) = on_ec2();
    cloud(&mut seen).security_group.as_mut().unwrap().asked = None;
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    rules(&mut seen).push(rule(8080, "198.51.100.4/32", "port me@laptop"));
    spec.services["s2"].ports.push(port(30009));
    let plan = plan(&spec, &seen, &Options::default());
    assert!(drifted(&plan).iter().all(|(_, drift)| !drift), "{:?}", drifted(&plan));
    let after = simulate::apply_plan(&spec, &seen, &plan);
    assert!(after.clouds["web"].present().unwrap().security_group.as_ref().unwrap().asked.is_some());
}

#[test]
fn the_security_group_and_the_key_pair_deleted_in_the_console() {
    let (spec, mut seen) = on_ec2();
    instance(&mut seen, 0).security_groups = vec!["sg-0default".into()];
    cloud(&mut seen).security_group = None;
    cloud(&mut seen).key_pair = None;
    seen.hosts.insert(slot(0), HostSeen::NotYet(NotYet::NoRule));
    let plan = planned("outside_group_gone", &spec, &seen);
    assert_eq!(plan.steps[0].reasons, [Reason::Gone]);
    // The pair is missed by the next launch only.
    let replace = Options { replace: [slot(0)].into(), ..Options::default() };
    let plan = a3::plan::plan(&spec, &seen, &replace);
    let key = plan.steps.iter().find(|step| step.action.kind() == "import_key").unwrap();
    assert_eq!(key.reasons, [Reason::Gone]);
}

/// One of two is replaced for a new key: the other was still launched with the earlier one, and says so.
#[test]
fn another_key_for_one_of_two() {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| ec2.count = 2);
    let mut seen = nothing(&spec);
    seen.hosts.insert(slot(1), HostSeen::NotYet(NotYet::NotLaunched));
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    cloud(&mut seen).own_key = Some("SHA256:other".into());
    let replace = |index| Options { replace: [slot(index)].into(), ..Options::default() };
    let mut seen = simulate::apply(&spec, &seen, &replace(0));
    let told = |seen: &Observed| {
        let notices = plan(&spec, seen, &Options::default()).notices;
        notices.into_iter().filter(|notice| notice.contains("identity_file")).collect::<Vec<_>>()
    };
    let notices = told(&seen);
    assert!(notices.len() == 1 && notices[0].starts_with("web/1: "), "{notices:?}");
    assert!(notices[0].contains("it was launched with another key"), "{notices:?}");
    // Its replacement says what it is for, and has nothing to import.
    let second = planned_with("identity_file_of_the_other", &spec, &seen, &replace(1));
    assert_eq!(kinds(&second)[0], "launch");
    // A change in place does not forget the key.
    let mut edited = spec.clone();
    edit_ec2(&mut edited, |ec2| drop(ec2.tags.insert("team".into(), "music".into())));
    let after = simulate::apply(&edited, &seen, &Options::default());
    assert_eq!(told(&after).len(), 1);
    // Launched by an a3 that did not write it down, it is not said to be known.
    instance(&mut seen, 1).tags.remove(asked::TAG);
    cloud(&mut seen).key_pair = Some("SHA256:mine".into());
    let notices = told(&seen);
    assert!(
        notices.iter().any(|notice| notice.starts_with("web/1: ") && notice.contains("or an earlier one")),
        "{notices:?}"
    );
}

/// A changed `ssh.identity_file` counts for the next instance, and then the managed pair is of that key.
#[test]
fn another_key_counts_for_the_next_instance() {
    let (mut spec, mut seen) = on_ec2();
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    cloud(&mut seen).own_key = a3::plan::names::key_fingerprint(line);
    planned("identity_file_changed", &spec, &seen);
    let replace = Options { replace: [slot(0)].into(), ..Options::default() };
    let replaced = planned_with("identity_file_changed_replace", &spec, &seen, &replace);
    let after = simulate::apply_plan(&spec, &seen, &replaced);
    let told = plan(&spec, &after, &Options::default()).notices;
    assert!(!told.iter().any(|notice| notice.contains("identity_file")), "{told:?}");
    // A teammate who is let in anyway needs no notice.
    spec.groups["web"].ssh.authorized_keys = vec![format!("{line} you@laptop")];
    let told = plan(&spec, &seen, &Options::default()).notices;
    assert!(!told.iter().any(|notice| notice.contains("identity_file")), "{told:?}");
}

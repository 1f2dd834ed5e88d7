//! The managed security group.

use super::*;

/// From groups of one's own to the managed one, which does not exist yet.
#[test]
fn managed_group_instead_of_named_ones() {
    let (mut spec, _) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.vpc_security_group_ids = vec!["sg-mine".into()]);
    let seen = deployed(&spec);
    edit_ec2(&mut spec, |ec2| ec2.vpc_security_group_ids.clear());
    assert_eq!(kinds(&planned("managed_group_instead", &spec, &seen)), ["firewall", "modify"]);
}

/// The managed group goes once the instances have left it; never while something else is in it.
#[test]
fn named_groups_instead_of_the_managed_one() {
    let (mut spec, seen) = on_ec2();
    edit_ec2(&mut spec, |ec2| ec2.vpc_security_group_ids = vec!["sg-mine".into()]);
    let plan = planned("named_groups_instead", &spec, &seen);
    assert_eq!(kinds(&plan), ["modify", "delete_firewall"]);
    assert_eq!(plan.steps[1].after, [plan.steps[0].id]);
    // A part of the group does not decide over it.
    let part = Options { target: ["web/0".to_owned()].into(), ..Options::default() };
    assert_eq!(kinds(&a3::plan::plan(&spec, &seen, &part)), ["modify"]);

    let mut held = seen.clone();
    cloud(&mut held).held_by = vec!["i-0other".into()];
    let plan = planned("named_groups_instead_held", &spec, &held);
    assert_eq!(kinds(&plan), ["modify"]);
    // And at the next plan too, by when there is only that to say.
    let after = simulate::apply_plan(&spec, &held, &plan);
    let plan = planned("only_notices", &spec, &after);
    assert_eq!((ending(&plan), plan.notices.len()), ("nothing", 2));
    // Once that has left, it goes.
    let mut free = after;
    cloud(&mut free).held_by.clear();
    assert_eq!(kinds(&a3::plan::plan(&spec, &free, &Options::default())), ["delete_firewall"]);

    // A machine that is replaced or ends leaves it by that.
    edit_ec2(&mut spec, |ec2| ec2.ami = Ami::Id("ami-0bbb".into()));
    let mut seen = seen;
    cloud(&mut seen).image = Some(machine_image("ami-0bbb"));
    let plan = a3::plan::plan(&spec, &seen, &Options::default());
    assert_eq!(plan.steps.last().unwrap().action.kind(), "run");
    assert!(kinds(&plan).contains(&"delete_firewall"));
}

#[test]
fn firewall_rule_removed_and_own_address_moved() {
    let (spec, seen) = on_ec2();
    let mut removed = seen.clone();
    cloud(&mut removed).security_group.as_mut().unwrap().rules.retain(|rule| rule.from_port == 22);
    assert_eq!(kinds(&planned("firewall_rule_missing", &spec, &removed)), ["firewall"]);

    let mut moved = seen.clone();
    cloud(&mut moved).caller_cidrs = vec!["198.51.100.99/32".into()];
    moved.hosts.insert(slot(0), HostSeen::NotYet(NotYet::NoRule));
    let plan = planned("own_address_moved", &spec, &moved);
    assert_eq!(kinds(&plan), ["firewall", "copy", "login", "run"]);
}

#[test]
fn rules_of_other_callers_are_not_touched() {
    let (spec, mut seen) = on_ec2();
    let rule = |port: u16, description: &str| IngressRule {
        id: format!("sgr-other-{port}"),
        protocol: Some(Protocol::Tcp),
        from_port: port,
        to_port: port,
        cidr: Some("203.0.113.77/32".into()),
        description: description.into(),
    };
    let rules = &mut cloud(&mut seen).security_group.as_mut().unwrap().rules;
    rules.push(rule(22, "ssh teammate@desk"));
    rules.push(rule(30001, "port teammate@desk"));
    rules.push(rule(8443, "by hand in the console"));
    assert!(planned("rules_of_others", &spec, &seen).is_empty());
    // And one's own stay while one's address is not known.
    cloud(&mut seen).caller_cidrs.clear();
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
}

/// What a person wrote beside a rule of theirs may begin as a3's words do.
#[test]
fn a_rule_by_hand_whose_words_begin_as_ours_stays() {
    let (spec, mut seen) = on_ec2();
    let rule = |port: u16, description: &str| IngressRule {
        id: format!("sgr-other-{port}"),
        protocol: Some(Protocol::Tcp),
        from_port: port,
        to_port: port,
        cidr: Some("203.0.113.77/32".into()),
        description: description.into(),
    };
    let rules = &mut cloud(&mut seen).security_group.as_mut().unwrap().rules;
    rules.push(rule(8443, "port 8443 for Bob"));
    rules.push(rule(8444, "port forwarding"));
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    let rules = &mut cloud(&mut seen).security_group.as_mut().unwrap().rules;
    rules.push(rule(8445, "port arn:aws:iam::123456789012:user/you 0123456789abcdef"));
    let plan = plan(&spec, &seen, &Options::default());
    let a3::plan::step::Action::Firewall(firewall) = &plan.steps[0].action else { panic!("{plan:?}") };
    assert_eq!(firewall.close.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["sgr-other-8445"]);
}

/// A teammate's port that nobody publishes any more is closed, since the group says that a3 opened it.
#[test]
fn another_callers_port_that_left_the_spec() {
    let mut spec = spec();
    spec.services["s2"].ports.push(port(30009));
    let mut seen = nothing(&spec);
    cloud(&mut seen).caller_id = "teammate@desk".into();
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    cloud(&mut seen).caller_id = "me@laptop".into();
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    let left = |seen: &mut Observed| {
        let rules = &cloud(seen).security_group.as_ref().unwrap().rules;
        rules.iter().filter(|rule| rule.from_port == 30009).count()
    };
    assert_eq!(left(&mut seen), 1, "open from the same address for both");
    spec.services["s2"].ports.pop();
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    assert_eq!(left(&mut seen), 0);
}

#[test]
fn open_to_everyone() {
    let mut spec = spec();
    edit_ec2(&mut spec, |ec2| {
        ec2.allow_from = Some(vec!["0.0.0.0/0".into()]);
        ec2.iam_instance_profile = Some("reader".into());
    });
    spec.services["s2"].ports[0].host_ip = Some("127.0.0.1".into());
    spec.services["s2"].ports.push(port(8080));
    planned("open_to_everyone", &spec, &nothing(&spec));
}

//! The managed security group of an instance group: published ports, and one ssh rule for each
//! caller and machine. Only one's own ssh rule is ever moved.

use serde::Deserialize as _;

use super::asked::Origins;
use super::asked_rules::{AskedRules, is_same};
use super::draft::{Draft, NewStep};
use super::machine::GroupContext;
use super::names;
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, BlockedKind, Change, Firewall, Rule, Step, StepId};
use super::{Options, destroy};
use crate::observed::{CloudSeen, IngressRule, ManagedSeen, Observed, OwnedInstance};
use crate::record::ReleaseStatus;
use crate::spec::{Ec2, Group, Machine, Port, Protocol, Spec};

/// Plans the group's firewall; the step that a launch waits for, if there is one.
pub(crate) fn plan(cx: &GroupContext<'_>, draft: &mut Draft) -> Option<StepId> {
    let GroupContext { spec, group, ec2, cloud, .. } = *cx;
    if !ec2.vpc_security_group_ids.is_empty() {
        return None;
    }
    let name = names::managed(&spec.name, &group.name);
    let address = format!("{}.firewall", group.name);
    if let Some(foreign) = &cloud.foreign_group {
        let why = format!(
            "a security group named `{name}` exists ({foreign}) and does not belong to this deployment"
        );
        let help = "rename the deployment, or name your own group with `vpc_security_group_ids`".to_owned();
        draft.block(address, BlockedKind::Refused, why, Some(help));
        return None;
    }
    let wanted = wanted_rules(spec, group, ec2, cloud);
    let present: &[IngressRule] = cloud.security_group.as_ref().map_or(&[], |found| &found.rules);
    // Without an address of one's own, one's rules cannot be judged.
    let judged = if cloud.caller_cidrs.is_empty() { &[] } else { present };
    let closing = cx.unwanted(judged, &wanted);
    let stays = |there: &&IngressRule| !closing.iter().any(|gone| gone.id == there.id);
    let is_open = |rule: &Rule| present.iter().filter(stays).any(|there| covers(there, rule));
    let open: Vec<Rule> = wanted.iter().filter(|rule| !is_open(rule)).cloned().collect();
    let close: Vec<(String, Rule)> = closing.iter().map(|there| (there.id.clone(), as_rule(there))).collect();
    if cloud.security_group.is_some() && open.is_empty() && close.is_empty() {
        draft.unchanged.push(address);
        return None;
    }
    if ec2.allow_from.iter().flatten().any(|cidr| cidr == "0.0.0.0/0") {
        draft
            .notices
            .push(format!("{address}: `allow_from` opens the published ports to everyone (0.0.0.0/0)"));
    }
    let created = cloud.security_group.is_none();
    let change = if created { Change::Create } else { Change::Update };
    let reasons = match created {
        true if cx.had_group() => vec![Reason::Gone],
        true => vec![Reason::Missing],
        false => cx.rule_reasons(&open, &closing),
    };
    let opened = open.iter().map(|rule| FieldChange::new("ingress", Shown::text(describe(rule))));
    let closed = closing
        .iter()
        .map(|there| FieldChange::changed("ingress", Shown::text(describe_there(there)), Shown::Nothing));
    let fields = opened.chain(closed).collect();
    let id = cloud.security_group.as_ref().map(|found| found.id.clone());
    let vpc_id = cloud.vpc_id.clone();
    let asked = cx.asked_after(&open, &closing).to_tag();
    let action = Firewall { group: group.name.clone(), name, id, vpc_id, open, close, asked };
    Some(draft.add(NewStep::new(address, change, Action::Firewall(action)).reasons(reasons).fields(fields)))
}

/// Whether a step opens ssh for this caller.
pub(crate) fn lets_in(step: &Step) -> bool {
    let is_ssh = |rule: &Rule| rule.description.starts_with("ssh ");
    matches!(&step.action, Action::Firewall(firewall) if firewall.open.iter().any(is_ssh))
}

/// Deletes the managed groups whose place the groups' own `vpc_security_group_ids` have taken, after the
/// instances have left them.
pub(crate) fn plan_unused(spec: &Spec, observed: &Observed, options: &Options, draft: &mut Draft) {
    for (name, cloud) in super::present_clouds(observed) {
        let Some(Machine::Ec2(ec2)) = spec.groups.get(name).map(|group| &group.machine) else { continue };
        let whole = options.target.is_empty() || options.target.contains(name);
        let Some(unused) = cloud.security_group.as_ref().filter(|_| whole) else { continue };
        if ec2.vpc_security_group_ids.is_empty() {
            continue;
        }
        let uses = |one: &&OwnedInstance| one.state.is_live() && one.security_groups.contains(&unused.id);
        let users: Vec<&OwnedInstance> = cloud.instances.iter().filter(uses).collect();
        let (left, staying): (Vec<_>, Vec<_>) =
            users.into_iter().map(|one| (one, left_by(one, draft))).partition(|(_, step)| step.is_some());
        let staying = staying.iter().map(|(one, _)| one.id.as_str());
        let staying: Vec<&str> = staying.chain(cloud.held_by.iter().map(String::as_str)).collect();
        if !staying.is_empty() {
            draft.notices.push(format!(
                "{name}.firewall: {} ({}) is not needed any more, and stays: {} in it",
                unused.id,
                names::managed(&spec.name, name),
                match staying.as_slice() {
                    [one] => format!("{one} is still"),
                    many => format!("{} are still", many.join(", ")),
                }
            ));
            continue;
        }
        let managed = ManagedSeen {
            deployment: spec.name.clone(),
            group: name.to_owned(),
            security_group: Some(unused.id.clone()),
            key_pair: None,
        };
        let left: Vec<StepId> = left.into_iter().filter_map(|(_, step)| step).collect();
        destroy::delete(spec, (cloud, &managed), (&Reason::OwnGroups, &left), draft);
    }
}

/// The step after which an instance is not in the managed group any more.
fn left_by(one: &OwnedInstance, draft: &Draft) -> Option<StepId> {
    let leaves = |step: &&Step| match &step.action {
        Action::Modify(modify) => modify.id == one.id && modify.security_group_ids.is_some(),
        Action::Launch(launch) => launch.replaces.as_ref() == Some(&one.id),
        Action::Terminate { id, .. } => *id == one.id,
        _ => false,
    };
    draft.steps.iter().find(leaves).map(|step| step.id)
}

/// `ssh 22/tcp from A.B.C.D/32`, as a plan says it.
fn describe(rule: &Rule) -> String {
    let what = if rule.description.starts_with("ssh ") { "ssh " } else { "" };
    format!("{what}{}/{} from {}", rule.port, rule.protocol.as_str(), rule.cidr)
}

impl GroupContext<'_> {
    /// Whether a live instance was put into the managed group, which is not there.
    fn had_group(&self) -> bool {
        let live = self.cloud.instances.iter().filter(|one| one.state.is_live());
        let mut of_group = live.filter(|one| one.slot.group == self.group.name);
        of_group.any(|one| Origins::of(one).asked_for_managed_group())
    }

    fn asked_rules(&self) -> Option<AskedRules> {
        AskedRules::of(self.cloud.security_group.as_ref()?.asked.as_deref())
    }

    /// Which rules a3 has opened once these are opened and closed. Those that somebody else took away from
    /// another caller are still to be missed by that one. What is closed comes first: a rule that stays may
    /// be the same but for its address.
    fn asked_after(&self, open: &[Rule], close: &[&IngressRule]) -> AskedRules {
        let mut asked = self.asked_rules().unwrap_or_default();
        close.iter().for_each(|there| asked.closed(there));
        let present = self.cloud.security_group.iter().flat_map(|found| &found.rules);
        let stays = |there: &&IngressRule| !close.iter().any(|gone| gone.id == there.id);
        present.filter(stays).filter(|there| self.is_a3s(there)).for_each(|there| asked.found(there));
        open.iter().for_each(|rule| asked.opened(rule));
        asked
    }

    /// Whether a rule's description is one of a3's, whoever the caller is.
    fn is_a3s(&self, there: &IngressRule) -> bool {
        match there.description.split_once(' ') {
            Some(("ssh" | "port", who)) => who == self.cloud.caller_id || is_caller(who),
            None => there.description == "port",
            Some(_) => false,
        }
    }

    /// Our own rules that the spec does not want (any more), or not as wide. Other callers' ssh rules stay;
    /// their port rules go only when nobody publishes the port any more.
    fn unwanted<'a>(&self, present: &'a [IngressRule], wanted: &[Rule]) -> Vec<&'a IngressRule> {
        let (caller, asked) = (&self.cloud.caller_id, self.asked_rules());
        let keep = |there: &IngressRule| wanted.iter().any(|rule| is_exactly(there, rule));
        let was_asked = |there: &IngressRule| asked.as_ref().is_some_and(|asked| asked.has_there(there));
        let own = |there: &IngressRule| {
            let port_is_wanted = wanted
                .iter()
                .any(|rule| rule.port == there.from_port && rule.description.starts_with("port"));
            match there.description.split_once(' ') {
                Some(("ssh", who)) => who == caller,
                Some(("port", who)) if who == caller => true,
                Some(("port", who)) => !port_is_wanted && (is_caller(who) || was_asked(there)),
                None => there.description == "port",
                Some(_) => false,
            }
        };
        present.iter().filter(|there| own(there) && !keep(there)).collect()
    }

    fn rule_reasons(&self, open: &[Rule], close: &[&IngressRule]) -> Vec<Reason> {
        let asked = self.asked_rules();
        let opened = open.iter().map(|rule| {
            let removed = match &asked {
                Some(asked) => asked.has(rule) && !self.is_at_another_address(rule),
                None => self.lost(rule),
            };
            Reason::RuleMissing { rule: describe(rule), removed }
        });
        let closed = close.iter().map(|there| {
            let added = asked.as_ref().is_some_and(|asked| !asked.has_there(there));
            Reason::RuleUnwanted { rule: describe_there(there), added }
        });
        opened.chain(closed).collect()
    }

    /// A caller's own rule is there, from where the caller was before.
    fn is_at_another_address(&self, rule: &Rule) -> bool {
        let mut present = self.cloud.security_group.iter().flat_map(|found| &found.rules);
        present.any(|there| is_same(there, rule))
    }

    /// Whether a3 had opened the port of a rule, and somebody closed it, for a group that does not say
    /// what was opened: a complete release of the group published it, and not one rule for it is left. Of
    /// another address than yours, a3 cannot know.
    fn lost(&self, rule: &Rule) -> bool {
        let rules = self.cloud.security_group.iter().flat_map(|found| &found.rules);
        let is_open = |there: &IngressRule| (there.from_port..=there.to_port).contains(&rule.port);
        if rule.description.starts_with("ssh ") || rules.into_iter().any(is_open) {
            return false;
        }
        let of_group = self.hosts.iter().filter(|(slot, _)| slot.group == self.group.name);
        let records = of_group.filter_map(|(_, seen)| seen.facts()?.record.as_ref());
        let last = records.filter_map(|record| {
            record.releases.iter().rev().find(|release| release.status == ReleaseStatus::Complete)
        });
        let mut ports = last
            .flat_map(|release| release.services.values())
            .filter_map(|service| Vec::<Port>::deserialize(service.settings.get("ports")?).ok())
            .flatten();
        ports.any(|port| {
            port.published == Some(rule.port) && port.protocol == rule.protocol && is_public(&port)
        })
    }
}

fn wanted_rules(spec: &Spec, group: &Group, ec2: &Ec2, cloud: &CloudSeen) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add = |rule: Rule| {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    };
    for cidr in &cloud.caller_cidrs {
        let description = format!("ssh {}", cloud.caller_id);
        add(Rule {
            protocol: Protocol::Tcp,
            port: group.ssh.instance_port(),
            cidr: cidr.clone(),
            description,
        });
    }
    // Without `allow_from` the ports are open to each caller's own address, so the rule is the caller's.
    let (cidrs, description) = match &ec2.allow_from {
        Some(cidrs) => (cidrs, "port".to_owned()),
        None => (&cloud.caller_cidrs, format!("port {}", cloud.caller_id)),
    };
    for port in
        spec.services_on(&group.name).flat_map(|service| &service.ports).filter(|port| is_public(port))
    {
        for (cidr, number) in cidrs.iter().flat_map(|cidr| port.published.map(|number| (cidr, number))) {
            let description = description.clone();
            add(Rule { protocol: port.protocol, port: number, cidr: cidr.clone(), description });
        }
    }
    rules
}

/// Whether a port is reachable from outside the machine.
fn is_public(port: &Port) -> bool {
    !port.host_ip.as_deref().is_some_and(|ip| ip.starts_with("127.") || ip == "::1" || ip == "localhost")
}

fn covers(there: &IngressRule, rule: &Rule) -> bool {
    there.protocol.is_none_or(|protocol| protocol == rule.protocol)
        && (there.from_port..=there.to_port).contains(&rule.port)
        && there.cidr.as_deref() == Some(rule.cidr.as_str())
}

/// Whether a rule is just the one that is meant.
fn is_exactly(there: &IngressRule, rule: &Rule) -> bool {
    covers(there, rule)
        && there.protocol.is_some()
        && (there.from_port, there.to_port) == (rule.port, rule.port)
}

/// Whether it is a caller as a3 writes one, `arn:… MACHINE`: other people's words may begin alike.
fn is_caller(who: &str) -> bool {
    let machine = who.strip_prefix("arn:").and_then(|rest| rest.split_once(' ')).map(|(_, machine)| machine);
    machine.is_some_and(|machine| !machine.is_empty() && !machine.contains(' '))
}

fn as_rule(there: &IngressRule) -> Rule {
    Rule {
        protocol: there.protocol.unwrap_or_default(),
        port: there.from_port,
        cidr: there.cidr.clone().unwrap_or_default(),
        description: there.description.clone(),
    }
}

/// The same of one that is there, which may be wider than any of a3's.
fn describe_there(there: &IngressRule) -> String {
    let rule = describe(&as_rule(there));
    match (there.protocol, there.to_port == there.from_port) {
        (Some(_), true) => rule,
        (Some(_), false) => {
            rule.replacen(&there.from_port.to_string(), &format!("{}-{}", there.from_port, there.to_port), 1)
        }
        (None, _) => format!("everything from {}", there.cidr.as_deref().unwrap_or("somewhere")),
    }
}

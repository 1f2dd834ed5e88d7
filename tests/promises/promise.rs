//! The promises, one function each: it panics where one is broken, and says what it has tried.

use std::collections::BTreeSet;

use a3::cli::exit::Exit;
use a3::id::Slot;
use a3::observed::{ContainerSeen, HostSeen, RemoteSeen, Seen};
use a3::plan::step::{Action, Blocked, BlockedKind, Plan, Step, StepId};
use a3::plan::summary::Ending;
use a3::plan::{Destroy, Options, owned_service, plan, plan_destroy};
use a3::report::look::Look;
use a3::report::plan_json::PlanDocument;
use a3::report::plan_text::plan_text;
use a3::report::saved_plan;
use a3::spec::{Machine, Spec};

use super::accident::Away;
use super::essence::{asked_in_place, essence, foreign, is_written_down, one_instance_a_slot, owned};
use super::serving;
use super::stage::{SECRET, Stage, region_of};
use super::walk::{End, Walk, next, to_the_end};

/// What a case has tried.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// Steps of the plan.
    pub(crate) steps: usize,
    /// Their kinds.
    pub(crate) kinds: BTreeSet<&'static str>,
    /// Worlds that were planned again.
    pub(crate) again: usize,
    /// Whether the plan was stopped, for a reason that it is meant to be stopped for.
    pub(crate) blocked: bool,
}

impl Tried {
    fn of(plan: &Plan) -> Self {
        let kinds = plan.steps.iter().map(|step| step.action.kind()).collect();
        Self { steps: plan.steps.len(), kinds, again: 0, blocked: !plan.blocked.is_empty() }
    }
}

pub(crate) fn text(plan: &Plan) -> String {
    plan_text(plan, &Look::plain())
}

/// A plan that is applied leaves nothing to plan, one live instance a slot, and what is foreign.
pub(crate) fn converges(spec: &Spec, stage: &Stage, options: &Options) -> Tried {
    let first = plan(spec, &stage.seen, options);
    let mut tried = Tried::of(&first);
    if !first.blocked.is_empty() {
        first.blocked.iter().for_each(|blocked| stopped_by_design(spec, stage, blocked, &first));
        return tried;
    }
    let Some(after) = applied(spec, stage, &first) else {
        tried.blocked = true;
        return tried;
    };
    tried.again = 1;
    one_instance_a_slot(&after);
    let rest = Options { replace: BTreeSet::new(), rebuild: BTreeSet::new(), ..options.clone() };
    let second = plan(spec, &after.seen, &rest);
    assert!(second.is_empty(), "after\n{}\ncame\n{}", text(&first), text(&second));
    foreign_stays(spec, stage, &after, &first);
    if options.target.is_empty() {
        is_written_down(spec, &after);
    }
    tried
}

/// A machine that could not be asked, and that would need nothing if it were new, is not asked on the way
/// either: what it turns out to need is in the next plan.
fn only_on_unplanned(stage: &Stage, first: &Plan, second: &Plan) -> bool {
    let slot_of = a3::apply::graph::slot_of;
    let planned =
        |slot: &Slot| first.steps.iter().any(|step| step.provisional && slot_of(&step.action) == Some(slot));
    let stops = |slot: &Slot| {
        first.steps.iter().any(|step| match &step.action {
            Action::Modify(modify) => modify.slot == *slot && modify.instance_type.is_some(),
            _ => false,
        })
    };
    let unplanned = |slot: &Slot| {
        let unseen = matches!(stage.seen.hosts.get(slot), Some(HostSeen::NotYet(_)));
        (unseen || stops(slot)) && !planned(slot)
    };
    let mut steps = second.steps.iter();
    second.blocked.is_empty() && steps.all(|step| slot_of(&step.action).is_some_and(unplanned))
}

/// The world after a plan; `None` where a machine that could not be asked before turned out to be one that
/// a plan stops at.
fn applied(spec: &Spec, stage: &Stage, first: &Plan) -> Option<Stage> {
    let mut walk = Walk::new(spec, stage, first);
    while let Some(step) = walk.ready().first() {
        walk.does(step);
    }
    assert!(walk.waiting().is_empty(), "never begun: {:?}\n{}", walk.waiting(), text(first));
    if walk.failed == 0 {
        let after = walk.end(End::Complete);
        return Some(settled(spec, stage, first, after));
    }
    let after = walk.end(End::Failed);
    let second = after.plan(spec);
    assert!(!second.blocked.is_empty(), "a machine stopped at nothing\n{}\n{}", text(first), text(&second));
    second.blocked.iter().for_each(|blocked| stopped_by_design(spec, &after, blocked, &second));
    None
}

/// With what a machine that was not asked on the way needs.
fn settled(spec: &Spec, before: &Stage, first: &Plan, after: Stage) -> Stage {
    let second = after.plan(spec);
    let rest = !second.steps.is_empty() && only_on_unplanned(before, first, &second);
    if rest { to_the_end(spec, &after, &second) } else { after }
}

/// Fails unless the world has what the design lets a plan stop at.
fn stopped_by_design(spec: &Spec, stage: &Stage, blocked: &Blocked, plan: &Plan) {
    let facts = || stage.seen.hosts.iter().filter_map(|(slot, seen)| Some((slot, seen.facts()?)));
    let clouds = || stage.seen.clouds.values().filter_map(Seen::present);
    let at_slot =
        |slot: &Slot| blocked.address == slot.to_string() || blocked.address.starts_with(&format!("{slot}/"));
    let designed = match blocked.kind {
        // Only `disable_api_termination: false` lifts a protection; what is not ours is never touched.
        BlockedKind::Refused => {
            let protected = |slot: &Slot| {
                let mut all = clouds().flat_map(|cloud| &cloud.instances);
                all.any(|one| one.slot == *slot && one.state.is_live() && one.protected == Some(true))
            };
            // Of ours, what the plan leaves out: another service's, or one that has left.
            let theirs = |slot: &Slot, one: &&ContainerSeen| {
                let owner = owned_service(spec, slot, one);
                owner.is_none_or(|owner| {
                    let left_out = plan.partial.contains(slot) && !plan.images.contains_key(owner);
                    left_out || spec.inactive.iter().any(|inactive| inactive == owner)
                })
            };
            blocked.address.parse::<Slot>().is_ok_and(|slot| protected(&slot))
                || facts().any(|(slot, facts)| {
                    at_slot(slot)
                        && (facts.foreign_network || facts.containers.iter().any(|one| theirs(slot, &one)))
                })
                || clouds().any(|cloud| cloud.foreign_group.is_some() || cloud.foreign_key)
        }
        // Docker that does not run, where a3 may not start it.
        BlockedKind::Unreachable => facts().any(|(slot, facts)| {
            let serves = spec.services_on(&slot.group).next().is_some();
            let may_start = !plan.destroy && serves && spec.groups[&slot.group].install_docker;
            at_slot(slot) && facts.engine_stopped && !may_start
        }),
        // Docker that is missing, where a3 may not install it; an image that nobody can run.
        BlockedKind::Impossible => {
            let image = blocked.address.strip_suffix(".image").and_then(|name| stage.seen.images.get(name));
            image.is_some_and(|image| {
                matches!(image.reference, RemoteSeen::Unusable(_) | RemoteSeen::Absent | RemoteSeen::NotAsked)
            }) || facts().any(|(slot, facts)| {
                at_slot(slot) && facts.engine == Seen::Absent && !spec.groups[&slot.group].install_docker
            })
        }
    };
    assert!(designed, "stopped for no reason: {blocked:?}\n{}", text(plan));
}

/// A machine that ends takes what is on it along; nothing else that is foreign may.
fn foreign_stays(spec: &Spec, before: &Stage, after: &Stage, plan: &Plan) {
    for step in &plan.steps {
        // Of an image, only the names that a3 gave it.
        let (Action::Prune { tags, .. } | Action::RemoveImages { tags, .. }) = &step.action else { continue };
        assert!(!tags.iter().any(|tag| tag == "others:1"), "{}", text(plan));
    }
    let now = foreign(spec, after);
    for (place, things) in foreign(spec, before) {
        let (Some(left), false) = (now.get(&place), things.is_empty()) else { continue };
        let lost: Vec<&String> = things.difference(left).collect();
        // A group's own rules go with it.
        let with_group = |line: &&&String| {
            !plan.steps.iter().any(|step| matches!(&step.action, Action::DeleteFirewall { group, .. } if line.starts_with(&format!("{group}:"))))
        };
        let lost: Vec<&&String> = lost.iter().filter(with_group).collect();
        assert!(lost.is_empty(), "{place} lost {lost:?}\n{}", text(plan));
    }
}

/// What leaves a plan: text, JSON, and what is saved of it.
fn told(plan: &Plan) -> [String; 3] {
    [text(plan), PlanDocument::of(plan).to_text(), saved_plan::canonical(plan).to_string()]
}

/// Planned twice, a plan is the same, byte by byte; and it is told truly.
pub(crate) fn is_the_same_twice(one: &Plan, other: &Plan) {
    assert_eq!(told(one), told(other));
    is_told_truly(one);
}

/// A plan shows no secret; and its exit code, its text and its JSON end alike.
pub(crate) fn is_told_truly(one: &Plan) {
    let [text, json, saved] = told(one);
    assert!(!format!("{text}{json}{saved}{one:?}").contains(SECRET), "a secret is shown\n{text}");
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let ending = Ending::of(one);
    let steps = document["steps"].as_array().unwrap().len();
    let blocked: Vec<&str> =
        document["blocked"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    let has = |kind: &str| blocked.contains(&kind);
    // As a person reads the text, and as a program reads the document.
    let (said, code) = if has("unreachable") {
        ("unreachable", 69)
    } else if has("refused") {
        ("refused", 73)
    } else if has("impossible") {
        ("impossible", 1)
    } else if steps > 0 {
        ("changes", 2)
    } else {
        ("nothing", 0)
    };
    assert_eq!(document["ending"], said, "{json}");
    assert_eq!(Exit::of(ending, true).code(), code, "{text}");
    assert_eq!(Exit::of(ending, false).code(), if code == 2 { 0 } else { code }, "{text}");
    assert_eq!(text.contains("No changes."), code == 0, "{text}");
    assert_eq!(text.contains("Plan: "), code != 0, "{text}");
    let undecided = text.contains("Nothing is done while a decision is missing")
        || text.contains("What could not be decided stays as it is.");
    assert_eq!(undecided, !blocked.is_empty(), "{text}");
    let lines = |word: &str| text.lines().filter(|line| line.contains(word)).count();
    let words = [
        ("unreachable", "! could not be asked: "),
        ("refused", "! refused: "),
        ("impossible", "! cannot be done: "),
    ];
    for (kind, word) in words {
        assert_eq!(has(kind), lines(word) > 0, "{kind}\n{text}");
    }
}

/// From every place at which an apply can be cut off, the next plan leads to the same world. `order` says
/// which of the steps that may begin does; none is the plan's own.
pub(crate) fn goes_on(spec: &Spec, stage: &Stage, options: &Options, order: &[u8]) -> Tried {
    let first = plan(spec, &stage.seen, options);
    let mut tried = Tried::of(&first);
    let Some(whole) = first.blocked.is_empty().then(|| applied(spec, stage, &first)).flatten() else {
        tried.blocked = true;
        return tried;
    };
    let mut walk = Walk::new(spec, stage, &first);
    let mut done = Vec::new();
    loop {
        let step = next(&walk, order, done.len());
        // Inside a step, too: what it may leave behind when it is cut off there.
        let inside = step.iter().flat_map(|step| walk.cut_inside(step));
        for (cut, how) in inside.chain([(walk.clone(), "")]) {
            let at = || format!("cut off after {done:?}{how} of\n{}", text(&first));
            resumes(spec, (&cut.end(End::Crash), &whole), options, &at);
            tried.again += 1;
        }
        let Some(step) = step else { break };
        walk.does(&step);
        done.push(step.title());
    }
    tried
}

/// The next plan leads from a world to the one that it would have been.
fn resumes(spec: &Spec, (cut, whole): (&Stage, &Stage), options: &Options, at: &dyn Fn() -> String) {
    one_instance_a_slot(cut);
    let second = plan(spec, &cut.seen, options);
    assert!(second.blocked.is_empty(), "{}\ncame\n{}", at(), text(&second));
    let after = settled(spec, cut, &second, to_the_end(spec, cut, &second));
    one_instance_a_slot(&after);
    let rest = Options { replace: BTreeSet::new(), rebuild: BTreeSet::new(), ..options.clone() };
    let third = plan(spec, &after.seen, &rest);
    assert!(third.is_empty(), "{}\ncame\n{}\nand then\n{}", at(), text(&second), text(&third));
    let (now, wanted) = (essence(spec, &after), essence(spec, whole));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    let (new, missing) = (only(&now, &wanted), only(&wanted, &now));
    assert!(now == wanted, "{}\ncame\n{}\nnew: {new:#?}\nmissing: {missing:#?}", at(), text(&second));
    if options.target.is_empty() {
        is_written_down(spec, &after);
    }
    let wanted = asked_in_place(spec, whole);
    for (at, settings) in asked_in_place(spec, &after) {
        assert!(wanted.get(&at).is_none_or(|known| *known == settings), "{at:?}: {settings}");
    }
}

/// A step that fails skips what hangs on it, the others go on, and the next plan leads to the same world.
pub(crate) fn mends(spec: &Spec, stage: &Stage, order: &[u8], fails: &[bool]) -> Tried {
    let options = Options::default();
    let first = plan(spec, &stage.seen, &options);
    let mut tried = Tried::of(&first);
    let Some(whole) = first.blocked.is_empty().then(|| applied(spec, stage, &first)).flatten() else {
        tried.blocked = true;
        return tried;
    };
    let mut walk = Walk::new(spec, stage, &first);
    // With the waiting for machines that boot, which no plan has.
    let planned = walk.waiting();
    let (mut done, mut failed, mut at) = (BTreeSet::new(), BTreeSet::new(), 0);
    while let Some(step) = next(&walk, order, at) {
        if !fails.is_empty() && fails[at % fails.len()] {
            failed.insert(step.id);
            walk.fails(&step);
        } else {
            walk.does(&step);
            done.insert(step.id);
        }
        at += 1;
    }
    assert!(walk.waiting().is_empty(), "never begun: {:?}\n{}", walk.waiting(), text(&first));
    // By the plans themselves: what is done had all that it needs, and what was given up hangs on a failure.
    let on_the_way = walk.on_the_way.clone();
    let all: Vec<&Step> = planned.iter().chain(&on_the_way).collect();
    let lost = |step: &Step| !needs(&all, step).is_disjoint(&failed);
    for step in first.steps.iter().filter(|step| !step.provisional && done.contains(&step.id)) {
        let lacks = step.after.iter().any(|id| failed.contains(id));
        assert!(!lacks, "{} went on without what it needs\n{}", step.title(), text(&first));
    }
    for step in &walk.skipped {
        assert!(lost(step), "{} was skipped for nothing\n{}", step.title(), text(&first));
    }
    tried.again = 1;
    let (skipped, end) = (walk.skipped.len(), if failed.is_empty() { End::Complete } else { End::Failed });
    let at = || format!("{} failed and {skipped} were skipped of\n{}", failed.len(), text(&first));
    let left = walk.end(end);
    serving::has_its_data(spec, stage, &left, &all);
    let begun = |step: &&&Step| failed.contains(&step.id) || done.contains(&step.id);
    let began: Vec<&Step> = all.iter().filter(begun).copied().collect();
    serving::makes_room_late(spec, stage, &left, (&all, &began));
    resumes(spec, (&left, &whole), &options, &at);
    tried
}

/// All steps that a step needs, near and far; what was planned on the way stands for what was assumed.
fn needs(all: &[&Step], step: &Step) -> BTreeSet<StepId> {
    let titles: Vec<String> = all.iter().map(|one| work(one)).collect();
    let (mut ids, mut open) = (BTreeSet::from([step.id]), vec![work(step)]);
    ids.extend(&step.after);
    let mut seen = BTreeSet::new();
    loop {
        let named = all.iter().zip(&titles).filter(|(one, _)| ids.contains(&one.id));
        open.extend(named.map(|(_, title)| title.clone()));
        open.retain(|title| seen.insert(title.clone()));
        if open.is_empty() {
            ids.remove(&step.id);
            return ids;
        }
        for (one, _) in all.iter().zip(&titles).filter(|(_, title)| open.contains(title)) {
            ids.insert(one.id);
            ids.extend(&one.after);
        }
        open.clear();
    }
}

/// What stays the same work although it comes out otherwise: a container that was taken for a new one may
/// only have to be started.
fn work(step: &Step) -> String {
    match &step.action {
        Action::Run(_)
        | Action::Prove(_)
        | Action::Restart { .. }
        | Action::StartContainer { .. }
        | Action::UpdateContainer { .. } => step.address.clone(),
        Action::Login { .. } => step.title(),
        other => format!("{} {}", step.address, other.kind()),
    }
}

/// What cannot be reached is neither made nor ended, nor what rests on it; the rest is planned as ever.
pub(crate) fn leaves_alone(spec: &Spec, stage: &Stage, away: Away) -> Tried {
    let usual = stage.plan(spec);
    let mut seen = stage.seen.clone();
    let Some(what) = away.leaves(spec, &mut seen) else { return Tried::default() };
    let planned = plan(spec, &seen, &Options::default());
    let tried = Tried { blocked: false, again: 1, ..Tried::of(&usual) };
    // A machine that has to be launched, started or let in anyway was not the one that is away.
    let moved: BTreeSet<String> = usual.steps.iter().filter_map(|step| moves(&step.action)).collect();
    for step in &planned.steps {
        let touched = touches(spec, stage, &step.action, (away, &what));
        assert!(
            !touched || moved.contains(&what) || is_moved(&moved, &step.action),
            "{}\n{}",
            step.title(),
            text(&planned)
        );
        let kind = step.action.kind();
        // What is let in, or made anew, is planned as a fresh machine.
        let known = is_moved(&moved, &step.action)
            || usual.steps.iter().any(|one| one.address == step.address && one.action.kind() == kind)
            || is_copied(&usual, &step.action)
            || is_less(&usual, step);
        assert!(known, "{} is new since {what} is away\n{}\n{}", step.title(), text(&usual), text(&planned));
    }
    // What was left out is said to be missing, and why.
    let all = |plan: &Plan| {
        plan.steps.iter().map(|step| (step.address.clone(), step.action.kind())).collect::<BTreeSet<_>>()
    };
    let less = !all(&usual).is_subset(&all(&planned));
    let mut about = vec![what.clone()];
    let served = |service: &&a3::spec::Service| a3::plan::names::server(&service.image) == what;
    about.extend(spec.services.values().filter(served).map(|service| format!("{}.image", service.name)));
    let said = planned.blocked.iter().any(|one| one.kind == BlockedKind::Unreachable)
        || planned.not_checked.iter().flat_map(|one| &one.addresses).any(|address| about.contains(address));
    let let_in = spec.slots().any(|(slot, _)| slot.to_string() == what && moved.contains(&slot.group));
    let expected = let_in || moved.contains(&what);
    assert!(
        !less || said || expected,
        "{what} is away, and nobody says so\n{}\n{}",
        text(&usual),
        text(&planned)
    );
    is_told_truly(&planned);
    tried
}

/// The machine that a step makes another one, or reachable.
fn moves(action: &Action) -> Option<String> {
    match action {
        Action::Launch(launch) => Some(launch.slot.to_string()),
        Action::Start { slot, .. } => Some(slot.to_string()),
        Action::Modify(modify) => Some(modify.slot.to_string()),
        // Whoever is let in by it may be why it did not answer.
        Action::Firewall(firewall) => {
            let lets_in = firewall.open.iter().any(|rule| rule.description.starts_with("ssh "));
            lets_in.then(|| firewall.group.clone())
        }
        _ => None,
    }
}

/// While a registry is away, the engine here runs the image that it has: the container stays, and is only
/// restarted for its data, say.
fn is_less(usual: &Plan, step: &Step) -> bool {
    let on_container = matches!(
        step.action,
        Action::Prove(_)
            | Action::Restart { .. }
            | Action::StartContainer { .. }
            | Action::UpdateContainer { .. }
    );
    let runs = |one: &&Step| one.address == step.address && matches!(one.action, Action::Run(_));
    on_container && usual.steps.iter().any(|one| runs(&one))
}

/// A file that two services share is copied for one of them.
fn is_copied(usual: &Plan, action: &Action) -> bool {
    let Action::Copy { slot, files, .. } = action else { return false };
    files.iter().all(|file| {
        usual.steps.iter().any(|step| match &step.action {
            Action::Copy { slot: there, files, .. } => there == slot && files.contains(file),
            _ => false,
        })
    })
}

fn is_moved(moved: &BTreeSet<String>, action: &Action) -> bool {
    let slot = a3::apply::graph::slot_of(action);
    slot.is_some_and(|slot| moved.contains(&slot.to_string()) || moved.contains(&slot.group))
}

/// Whether an action is about what is away.
fn touches(spec: &Spec, stage: &Stage, action: &Action, (away, what): (Away, &str)) -> bool {
    let service_of = |name: &str| spec.services.get(name);
    match away {
        Away::Region { .. } => {
            let group = match action {
                Action::ImportKey { group, .. } => Some(group),
                Action::Firewall(firewall) => Some(&firewall.group),
                Action::Launch(launch) => Some(&launch.slot.group),
                Action::Start { slot, .. } | Action::Await { slot } => Some(&slot.group),
                Action::Modify(modify) => Some(&modify.slot.group),
                Action::DeleteFirewall { region, .. } | Action::DeleteKey { region, .. } => {
                    return region == what;
                }
                Action::Terminate { id, .. } => {
                    let region = stage.regions.get(what);
                    return region.is_some_and(|region| region.instances.iter().any(|one| one.id == *id));
                }
                other => a3::apply::graph::slot_of(other).map(|slot| &slot.group),
            };
            let machine = group.and_then(|group| spec.groups.get(group)).map(|group| &group.machine);
            matches!(machine, Some(Machine::Ec2(ec2)) if region_of(ec2) == what)
        }
        Away::Machine { .. } => {
            a3::apply::graph::slot_of(action).is_some_and(|slot| slot.to_string() == what)
        }
        Away::Docker { .. } => {
            let on_engine =
                !matches!(action, Action::Copy { .. } | Action::RemoveFiles { .. } | Action::Admit { .. });
            on_engine && a3::apply::graph::slot_of(action).is_some_and(|slot| slot.to_string() == what)
        }
        Away::Registry { .. } => {
            let of = |name: &str| {
                service_of(name)
                    .is_some_and(|one| a3::plan::names::server(&one.image) == what && !on_local(spec, one))
            };
            match action {
                Action::Push(push) => of(&push.service),
                Action::Build(build) => of(&build.service),
                Action::Tag(tag) => of(&tag.service),
                Action::Run(run) => {
                    let pinned = service_of(&run.service).and_then(|one| a3::plan::names::pinned(&one.image));
                    of(&run.service) && pinned.is_none()
                }
                _ => false,
            }
        }
        Away::Engine => match action {
            Action::Build(_) | Action::Push(_) => true,
            Action::Run(run) => service_of(&run.service).is_some_and(|one| on_local(spec, one)),
            _ => false,
        },
    }
}

fn on_local(spec: &Spec, service: &a3::spec::Service) -> bool {
    matches!(spec.groups.get(&service.on).map(|group| &group.machine), Some(Machine::Local))
}

/// A destroy leaves nothing owned and everything foreign, and a second one has nothing to do.
pub(crate) fn destroys(spec: &Spec, stage: &Stage, wanted: &Destroy) -> Tried {
    let first = plan_destroy(spec, &stage.seen, wanted);
    let mut tried = Tried::of(&first);
    is_told_truly(&first);
    if !first.blocked.is_empty() {
        first.blocked.iter().for_each(|blocked| stopped_by_design(spec, stage, blocked, &first));
        return tried;
    }
    let after = to_the_end(spec, stage, &first);
    foreign_stays(spec, stage, &after, &first);
    tried.again = 1;
    // An image that somebody else's container uses stays, with our tags, and a destroy says so each time.
    let used = |facts: &a3::observed::HostFacts| {
        facts.kept.iter().any(|image| facts.containers.iter().any(|one| image.is(&one.image_id)))
    };
    if wanted.images && after.seen.hosts.values().filter_map(HostSeen::facts).any(used) {
        return tried;
    }
    let second = plan_destroy(spec, &after.seen, wanted);
    assert!(second.is_empty(), "after\n{}\ncame\n{}", text(&first), text(&second));
    let left = owned(spec, &after, wanted.volumes);
    assert!(left.is_empty(), "left: {left:?}\n{}", text(&first));
    let gone =
        |seen: &HostSeen| seen.facts().is_none_or(|facts| facts.record.is_none() && facts.key.is_none());
    assert!(after.seen.hosts.values().all(gone), "a folder of ours stays\n{}", text(&first));
    tried
}

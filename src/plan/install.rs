//! Docker on a machine that is without it: installed, or started, where that is allowed and known.

use super::draft::{Draft, NewStep};
use super::host::HostContext;
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, BlockedKind, Change, Install, Installer, StepId};
use crate::observed::{Distribution, HostFacts, Seen, Unchecked};
use crate::record::ReleaseStatus;

/// What the services of a machine stand on.
pub(crate) enum Footing {
    /// An engine that answers, or that a fresh machine surely has; or there are no services.
    Firm,
    /// The engine that this step brings.
    After(StepId),
    /// None; why is noted.
    Blocked,
}

/// Sees to it that there is an engine for the services of a machine.
pub(crate) fn plan(cx: &HostContext<'_>, draft: &mut Draft) -> Footing {
    if cx.spec.services_on(&cx.group.name).next().is_none() {
        return without_services(cx, draft);
    }
    let Some(facts) = cx.facts else { return in_case(cx, draft) };
    let allowed = cx.group.install_docker && facts.sudo;
    match &facts.engine {
        Seen::Present(_) => Footing::Firm,
        Seen::Unreachable(_) if facts.engine_stopped && allowed => start(cx, draft),
        Seen::Unreachable(cause) => {
            draft.unreachable(cx.slot.to_string(), cause);
            Footing::Blocked
        }
        Seen::Absent => match installer(facts.distribution.as_ref()) {
            Some(with) if allowed => install(cx, with, facts, draft),
            with => refuse(cx, with, facts, draft),
        },
    }
}

/// A machine that serves nothing needs no engine; but what it served may still run there, and where
/// that cannot be asked it is not said to be gone.
fn without_services(cx: &HostContext<'_>, draft: &mut Draft) -> Footing {
    let Some(facts) = cx.facts.filter(|_| cx.whole && !cx.is_empty_spec()) else { return Footing::Firm };
    let Seen::Unreachable(cause) = &facts.engine else { return Footing::Firm };
    let Some(record) = &facts.record else {
        let what = "whether containers of this deployment are there".to_owned();
        let why = format!("it has no record, and its engine does not say: {}", cause.message);
        draft.not_checked(cx.slot.to_string(), Unchecked { what, why, help: cause.help.clone() });
        return Footing::Firm;
    };
    let complete = record.releases.iter().rposition(|one| one.status == ReleaseStatus::Complete);
    // What failed on the way may be there as well as what it was to replace.
    let mut served = record.releases[complete.unwrap_or(0)..].iter().flat_map(|one| one.services.keys());
    if served.any(|service| !cx.spec.inactive.contains(service)) {
        draft.unreachable(cx.slot.to_string(), cause);
        return Footing::Blocked;
    }
    Footing::Firm
}

/// Nobody knows yet what the machine has: said before it is launched, so that nobody is surprised
/// when it answers.
fn in_case(cx: &HostContext<'_>, draft: &mut Draft) -> Footing {
    if !cx.group.install_docker {
        return Footing::Firm;
    }
    let known = if cx.new { "launch" } else { "it answers" };
    let package = FieldChange::new("package", Shown::KnownAfter(known.into()));
    Footing::After(add(cx, (Change::Create, None), Reason::DockerUnknown, vec![package], draft))
}

fn install(cx: &HostContext<'_>, with: Installer, facts: &HostFacts, draft: &mut Draft) -> Footing {
    let name = facts.distribution.as_ref().map(|found| &found.name);
    let package = match with {
        Installer::Apt => "docker.io (apt-get)",
        Installer::Dnf => "docker (dnf)",
        Installer::Start => return start(cx, draft),
    };
    let fields = vec![
        FieldChange::new("distribution", Shown::maybe(name)),
        FieldChange::new("package", Shown::text(package)),
        FieldChange::new("group docker", Shown::text("gets the ssh user, unless that is root")),
    ];
    Footing::After(add(cx, (Change::Create, Some(with)), Reason::DockerMissing, fields, draft))
}

fn start(cx: &HostContext<'_>, draft: &mut Draft) -> Footing {
    let step = (Change::Update, Some(Installer::Start));
    Footing::After(add(cx, step, Reason::DockerStopped, Vec::new(), draft))
}

fn add(
    cx: &HostContext<'_>,
    (change, with): (Change, Option<Installer>),
    reason: Reason,
    fields: Vec<FieldChange>,
    draft: &mut Draft,
) -> StepId {
    let action = Action::Install(Install { slot: cx.slot.clone(), with });
    let step = NewStep::new(format!("{}.docker", cx.slot), change, action);
    draft.add(step.because(reason).fields(fields).after(cx.reach).provisional(cx.facts.is_none()))
}

/// How Docker gets onto a distribution; `None` where a3 does not know.
fn installer(found: Option<&Distribution>) -> Option<Installer> {
    let found = found?;
    match (found.id.as_str(), found.version.as_str()) {
        ("debian" | "ubuntu", _) => Some(Installer::Apt),
        ("amzn", "2023") => Some(Installer::Dnf),
        _ => None,
    }
}

fn refuse(cx: &HostContext<'_>, with: Option<Installer>, facts: &HostFacts, draft: &mut Draft) -> Footing {
    let group = &cx.group.name;
    let by_hand = with.and_then(by_hand);
    let (why, help) = match by_hand {
        None => {
            let name =
                facts.distribution.as_ref().map_or("a system that it does not know", |found| &found.name);
            let why =
                format!("Docker is not installed there, and a3 does not know how to install it on {name}");
            (why, "install it there (https://docs.docker.com/engine/install/), then plan again".to_owned())
        }
        Some(by_hand) if !cx.group.install_docker => {
            let why = "Docker is not installed there".to_owned();
            (why, format!("set `instances.{group}.install_docker: true`, or type there: {by_hand}"))
        }
        Some(by_hand) => {
            let why =
                "Docker is not installed there, and installing it takes root, or sudo without a password";
            let help = match cx.group.sudo {
                true => format!("let the ssh user run sudo without a password, or type there: {by_hand}"),
                false => format!(
                    "set `instances.{group}.sudo: true` if the ssh user may, or type there: {by_hand}"
                ),
            };
            (why.to_owned(), help)
        }
    };
    draft.block(cx.slot.to_string(), BlockedKind::Impossible, why, Some(help));
    Footing::Blocked
}

/// What a person types for it.
fn by_hand(with: Installer) -> Option<&'static str> {
    match with {
        Installer::Apt => Some("sudo apt-get install -y docker.io && sudo usermod -aG docker $USER"),
        Installer::Dnf => Some(
            "sudo dnf install -y docker && sudo systemctl enable --now docker && sudo usermod -aG docker $USER",
        ),
        Installer::Start => None,
    }
}

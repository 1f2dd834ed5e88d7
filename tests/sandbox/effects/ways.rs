//! Every way in which a step can be done, taken from the steps' own type: a new kind, or a new field of
//! one, does not compile until it is said here which way it is, and the test fails until that was compared.

use std::collections::BTreeSet;

use a3::plan::reason::Reason;
use a3::plan::step::{
    Action, Change, Firewall, Install, Installer, Launch, Modify, Plan, Push, Step, TagFrom,
};
use a3::spec::{Spec, VolumeSource};

/// The kinds of step: one match that has to name all of them, and the list that is made of the same words.
macro_rules! kinds {
    ($($variant:ident => $kind:literal,)*) => {
        /// Every kind that there is.
        pub(super) const KINDS: &[&str] = &[$($kind),*];

        fn kind_of(action: &Action) -> &'static str {
            match action {
                $(Action::$variant { .. } => $kind,)*
            }
        }
    };
}

kinds! {
    Build => "build",
    Tag => "tag",
    Push => "push",
    ImportKey => "import_key",
    Firewall => "firewall",
    Launch => "launch",
    Await => "await",
    Start => "start",
    Modify => "modify",
    Terminate => "terminate",
    DeleteFirewall => "delete_firewall",
    DeleteKey => "delete_key",
    Install => "install",
    Admit => "admit",
    Copy => "copy",
    RemoveFiles => "remove_files",
    Login => "login",
    Run => "run",
    Prove => "prove",
    Restart => "restart",
    StopContainer => "stop_container",
    StartContainer => "start_container",
    UpdateContainer => "update_container",
    RemoveContainer => "remove_container",
    Prune => "prune",
    RemoveImages => "remove_images",
    RemoveVolumes => "remove_volumes",
    CleanHost => "clean_host",
}

/// What has to be compared, and what no sandbox can show, with the reason why.
pub(super) const WAYS: &[(&str, Option<&str>)] = &[
    ("build", None),
    ("tag in the engine", None),
    ("tag in the registry", None),
    ("push", None),
    ("import_key", None),
    ("firewall created", None),
    ("firewall opened", None),
    ("firewall closed", None),
    ("launch", None),
    ("launch in another's place", None),
    ("launch because replace_asked", None),
    (
        "await",
        Some("apply adds it, a plan never has it: a machine that boots is waited for and planned again"),
    ),
    ("start", None),
    ("modify tags", None),
    ("modify tags away", None),
    ("modify security groups", None),
    ("modify type", None),
    ("modify hop limit", None),
    ("modify metadata tokens", None),
    ("modify protection", None),
    ("modify ttl", None),
    ("terminate because left_spec", None),
    ("terminate because destroy", None),
    ("delete_firewall", None),
    ("delete_key", None),
    ("install apt", None),
    ("install dnf", Some("Amazon Linux itself cannot be had here; its model is the one of apt")),
    ("install start", None),
    ("install unknown", Some("planned again as one of the others before it is done")),
    ("admit create", None),
    ("admit update", None),
    ("admit delete", None),
    ("copy", None),
    ("copy with sudo", None),
    ("remove_files", None),
    ("login", None),
    ("login that stays", None),
    ("run", None),
    ("run in another's place", None),
    ("run because image_changed", None),
    ("run because config_changed", None),
    ("run because container_gone", None),
    ("run because swap_interrupted", None),
    ("run because off_network", None),
    ("run of a rollback", None),
    ("run under another name", None),
    ("run that removes itself", None),
    ("run with an anonymous volume", None),
    ("run with a named volume", None),
    ("prove", None),
    ("restart because asked", None),
    ("restart because data_changed", None),
    ("restart because unhealthy", None),
    ("stop_container", None),
    ("stop_container that removes itself", None),
    ("start_container because asked", None),
    ("start_container because container_stopped", None),
    ("start_container because stopped_by_person", None),
    ("start_container with a check", None),
    ("update_container", None),
    ("remove_container because asked", None),
    ("remove_container because config_changed", None),
    ("remove_container because destroy", None),
    ("remove_container because left_spec", None),
    ("remove_container of a one-off", None),
    ("prune releases", None),
    ("prune images", None),
    ("remove_images there", None),
    ("remove_images here", None),
    ("remove_volumes", None),
    ("clean_host", None),
];

/// Which ways a plan goes. What is planned again on the way counts for nothing: it may come out as
/// something else.
pub(super) fn of(spec: &Spec, plan: &Plan) -> BTreeSet<String> {
    let firm = plan.steps.iter().filter(|step| !step.provisional);
    firm.flat_map(|step| ways(spec, step)).collect()
}

fn ways(spec: &Spec, step: &Step) -> Vec<String> {
    let kind = kind_of(&step.action);
    assert_eq!(kind, step.action.kind(), "as the JSON names it");
    let with = |what: &[(bool, &str)]| {
        let what = what.iter().filter(|(is, _)| *is);
        what.map(|(_, how)| format!("{kind}{how}")).collect::<Vec<String>>()
    };
    let because = || step.reasons.iter().map(|reason| format!("{kind} because {}", word(reason)));
    let removes_itself = |service: &String| spec.services.get(service).is_some_and(|one| one.auto_remove);
    match &step.action {
        Action::Build(_) | Action::ImportKey { .. } | Action::Start { .. } | Action::Await { .. } => {
            with(&[(true, "")])
        }
        Action::Push(Push { service: _, reference: _, source_tag: _, source: _, not_visible: _ })
        | Action::UpdateContainer { .. }
        | Action::DeleteFirewall { .. }
        | Action::DeleteKey { .. }
        | Action::RemoveFiles { .. }
        | Action::RemoveVolumes { .. }
        | Action::CleanHost { .. } => with(&[(true, "")]),
        Action::Tag(tag) => {
            let engine = matches!(tag.from, TagFrom::Engine { .. });
            with(&[(engine, " in the engine"), (!engine, " in the registry")])
        }
        Action::Firewall(Firewall { group: _, name: _, id, vpc_id: _, open, close, asked: _ }) => with(&[
            (id.is_none(), " created"),
            (id.is_some() && !open.is_empty(), " opened"),
            (!close.is_empty(), " closed"),
        ]),
        Action::Launch(launch) => {
            let again = launched(launch);
            with(&[(!again, ""), (again, " in another's place")]).into_iter().chain(because()).collect()
        }
        Action::Modify(modify) => modified(modify),
        Action::Terminate { .. } => because().collect(),
        Action::Install(Install { slot: _, with }) => vec![format!(
            "install {}",
            match with {
                Some(Installer::Apt) => "apt",
                Some(Installer::Dnf) => "dnf",
                Some(Installer::Start) => "start",
                None => "unknown",
            }
        )],
        Action::Admit { .. } => with(&[
            (step.change == Change::Create, " create"),
            (step.change == Change::Update, " update"),
            (step.change == Change::Delete, " delete"),
        ]),
        Action::Copy { slot: _, service: _, files } => {
            let sudo = files.iter().any(|file| file.sudo);
            with(&[(!sudo, ""), (sudo, " with sudo")])
        }
        Action::Login { slot: _, server: _, image: _, persist } => {
            with(&[(!persist, ""), (*persist, " that stays")])
        }
        Action::Run(_) => run(spec, step, because()),
        Action::Prove(_) => with(&[(true, "")]),
        Action::Restart { .. } => because().collect(),
        Action::StopContainer { slot: _, service, container: _, grace: _ } => {
            let itself = removes_itself(service);
            with(&[(!itself, ""), (itself, " that removes itself")])
        }
        Action::StartContainer { slot: _, service: _, container: _, check } => {
            because().chain(with(&[(check.is_some(), " with a check")])).collect()
        }
        Action::RemoveContainer { slot: _, service: _, container, grace: _, replaced_by: _ } => {
            because().chain(with(&[(container.contains("-run-"), " of a one-off")])).collect()
        }
        Action::Prune { slot: _, releases, tags } => {
            with(&[(!releases.is_empty(), " releases"), (!tags.is_empty(), " images")])
        }
        Action::RemoveImages { slot, tags: _ } => {
            with(&[(slot.is_some(), " there"), (slot.is_none(), " here")])
        }
    }
}

/// Whether it takes another machine's place.
fn launched(launch: &Launch) -> bool {
    launch.replaces.is_some()
}

fn modified(modify: &Modify) -> Vec<String> {
    let Modify {
        slot: _,
        id: _,
        set_tags,
        remove_tags,
        security_group_ids,
        instance_type,
        hop_limit,
        require_tokens,
        protected,
        ttl,
    } = modify;
    let what = [
        (set_tags.keys().any(|key| key != "a3:hash"), "tags"),
        (!remove_tags.is_empty(), "tags away"),
        (security_group_ids.is_some(), "security groups"),
        (instance_type.is_some(), "type"),
        (hop_limit.is_some(), "hop limit"),
        (*require_tokens, "metadata tokens"),
        (protected.is_some(), "protection"),
        (ttl.is_some(), "ttl"),
    ];
    what.into_iter().filter(|(is, _)| *is).map(|(_, how)| format!("modify {how}")).collect()
}

fn run(spec: &Spec, step: &Step, because: impl Iterator<Item = String>) -> Vec<String> {
    let Action::Run(run) = &step.action else { return Vec::new() };
    let mut ways: Vec<String> = because.collect();
    let replaces = step.change == Change::Replace;
    ways.push(if replaces { "run in another's place" } else { "run" }.to_owned());
    let mounts =
        |wanted: fn(&VolumeSource) -> bool| run.settings.volumes.iter().any(|one| wanted(&one.source));
    let what = [
        (spec.rollback.is_some(), "run of a rollback"),
        (!run.formerly.is_empty(), "run under another name"),
        (run.settings.auto_remove, "run that removes itself"),
        (mounts(|source| matches!(source, VolumeSource::Anonymous)), "run with an anonymous volume"),
        (mounts(|source| matches!(source, VolumeSource::Named(_))), "run with a named volume"),
    ];
    ways.extend(what.into_iter().filter(|(is, _)| *is).map(|(_, how)| how.to_owned()));
    ways
}

/// As the JSON names it.
fn word(reason: &Reason) -> String {
    serde_json::to_value(reason).unwrap()["reason"].as_str().unwrap().to_owned()
}

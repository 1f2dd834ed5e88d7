//! `--target`, `--replace` and `--rebuild`: what is named has to be there, and to be something that can be
//! done. Everything that is wrong is said at once.

use super::args::Scope;
use super::exit::Exit;
use super::fault::Fault;
use crate::id::Slot;
use crate::plan::{ImageGoal, Options};
use crate::spec::{Machine, Spec, did_you_mean};

/// The options of a plan, checked against the spec.
pub(crate) fn options(spec: &Spec, scope: &Scope) -> Result<Options, Fault> {
    let mut wrong = Wrong::default();
    let slots: Vec<Slot> = spec.slots().map(|(slot, _)| slot).collect();
    for name in &scope.target {
        target(spec, (name, &slots), &mut wrong);
    }
    let replaced = scope.replace.iter().filter_map(|name| replace(spec, (name, &slots), &mut wrong));
    let replaced: Vec<Slot> = replaced.collect();
    for name in &scope.rebuild {
        rebuild(spec, name, &mut wrong);
    }
    let options = Options {
        rebuild: scope.rebuild.iter().cloned().collect(),
        replace: replaced.into_iter().collect(),
        target: scope.target.iter().cloned().collect(),
        images: ImageGoal::Deployed,
    };
    if wrong.messages.is_empty() {
        left_out(spec, &options, &mut wrong);
    }
    wrong.or(options)
}

/// What is wrong with what was typed.
#[derive(Default)]
struct Wrong {
    messages: Vec<String>,
    helps: Vec<String>,
}

impl Wrong {
    fn say(&mut self, message: String, help: Option<String>) {
        self.messages.push(message);
        self.helps.extend(help);
    }

    fn or(self, options: Options) -> Result<Options, Fault> {
        if self.messages.is_empty() {
            return Ok(options);
        }
        let help = (!self.helps.is_empty()).then(|| self.helps.join("; "));
        Err(Fault::new(Exit::Usage, self.messages.join("; "), help.as_deref()))
    }
}

fn meant<'a>(flag: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    did_you_mean(name, known).map(|meant| format!("did you mean {flag} {meant}?"))
}

fn target(spec: &Spec, (name, slots): (&str, &[Slot]), wrong: &mut Wrong) {
    let slots: Vec<String> = slots.iter().map(Slot::to_string).collect();
    let services: Vec<&str> = spec.services.keys().map(String::as_str).collect();
    let groups: Vec<&str> = spec.groups.keys().map(String::as_str).collect();
    let all = || services.iter().chain(&groups).copied().chain(slots.iter().map(String::as_str));
    if all().any(|known| known == name) {
        return;
    }
    if spec.inactive.iter().any(|inactive| inactive == name) {
        let message = format!("`--target {name}` names a service whose profile is not active");
        return wrong.say(message, Some(format!("add --profile NAME, one of those that `{name}` has")));
    }
    let lists =
        [("services", services.join(", ")), ("groups", groups.join(", ")), ("slots", slots.join(", "))];
    let lists = lists.iter().filter(|(_, names)| !names.is_empty());
    let lists: Vec<String> = lists.map(|(what, names)| format!("{what}: {names}")).collect();
    let message = format!("`--target {name}` names nothing ({})", lists.join("; "));
    wrong.say(message, meant("--target", name, all()));
}

fn replace(spec: &Spec, (name, slots): (&str, &[Slot]), wrong: &mut Wrong) -> Option<Slot> {
    let launched = |slot: &&Slot| {
        let machine = spec.groups.get(&slot.group).map(|group| &group.machine);
        matches!(machine, Some(Machine::Ec2(_)))
    };
    let known: Vec<String> = slots.iter().filter(launched).map(Slot::to_string).collect();
    let slot = name.parse::<Slot>().ok().filter(|slot| slots.contains(slot));
    let of_group = known.iter().find(|slot| slot.split('/').next() == Some(name));
    match slot {
        Some(slot) if known.contains(&slot.to_string()) => return Some(slot),
        Some(_) => {
            wrong.say(format!("`--replace {name}` names a machine that a3 does not launch"), None);
        }
        None if known.is_empty() => {
            wrong.say(format!("`--replace {name}` names no slot; a3 launches no machine here"), None);
        }
        None => {
            let message = format!("`--replace {name}` names no slot; there are {}", known.join(", "));
            let help = match of_group {
                Some(slot) => Some(format!("did you mean --replace {slot}?")),
                None => meant("--replace", name, known.iter().map(String::as_str)),
            };
            wrong.say(message, help);
        }
    }
    None
}

fn rebuild(spec: &Spec, name: &str, wrong: &mut Wrong) {
    let built = spec.services.values().filter(|service| service.build.is_some());
    let built: Vec<&str> = built.map(|service| service.name.as_str()).collect();
    if built.contains(&name) {
        return;
    }
    if spec.services.contains_key(name) {
        let help = format!("add `build:` to service `{name}`");
        return wrong.say(format!("`--rebuild {name}`: its image is pulled, not built"), Some(help));
    }
    let inactive = spec.inactive.iter().any(|inactive| inactive == name);
    let help = match inactive {
        true => {
            Some(format!("its profile is not active: add --profile NAME, one of those that `{name}` has"))
        }
        false => meant("--rebuild", name, built.iter().copied()),
    };
    let known: Vec<&str> = spec.services.keys().map(String::as_str).collect();
    wrong.say(format!("there is no active service `{name}`; there are {}", known.join(", ")), help);
}

/// Two wishes of which one leaves the other out: neither is to be passed over in silence.
fn left_out(spec: &Spec, options: &Options, wrong: &mut Wrong) {
    let targets: Vec<&str> = options.target.iter().map(String::as_str).collect();
    let targets = targets.join(" --target ");
    for slot in options.replace.iter().filter(|slot| !options.wants_machine(spec, slot)) {
        let message = format!("`--replace {slot}` is left out by `--target {targets}`");
        wrong.say(message, Some(format!("add --target {slot}")));
    }
    let rebuilt = options.rebuild.iter().filter_map(|name| spec.services.get(name));
    for service in rebuilt.filter(|service| !options.wants_image(spec, service)) {
        let name = &service.name;
        let message = format!("`--rebuild {name}` is left out by `--target {targets}`");
        wrong.say(message, Some(format!("add --target {name}")));
    }
}

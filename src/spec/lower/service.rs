//! One service by itself; `together` holds the rules between services.

use std::time::Duration;

use indexmap::IndexMap;

use super::names;
use super::{build, environment, image, interpolated};
use crate::spec::diagnostic::{Problem, did_you_mean, listed};
use crate::spec::model::{
    Check, DataFile, Group, Healthcheck, Logging, Port, Registry, Restart, Service, Volume,
};
use crate::spec::raw::entries::VolumeEntry;
use crate::spec::raw::mount::cleaned;
use crate::spec::raw::service::{RawCheck, RawHealthcheck, RawService};
use crate::spec::read::{At, Cx, Key, List};
use crate::spec::scalars::{Flag, Text};
use crate::spec::shapes::{Pairs, plain};
use crate::spec::source::Origin;

/// What a service is lowered against.
pub(crate) struct Around<'a> {
    pub(crate) deployment: &'a str,
    pub(crate) groups: &'a IndexMap<String, Group>,
    /// Of all groups, refused ones too.
    pub(crate) group_names: &'a [String],
    pub(crate) registries: &'a IndexMap<String, Registry>,
}

/// A service with the places that rules between services underline.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) service: Service,
    pub(crate) key: Origin,
    pub(crate) container_name: Origin,
    pub(crate) ports: Vec<(Port, Origin)>,
    pub(crate) depends_on: Vec<(String, Origin)>,
    pub(crate) files: Vec<(DataFile, Origin)>,
}

/// The label prefix that is a3's own.
pub(crate) const OWN_LABELS: &str = "dev.a3.";

/// A service as it was read.
#[derive(Clone, Copy)]
pub(crate) struct Declared<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: Origin,
    pub(crate) raw: &'a RawService,
    /// Whether its profiles are active.
    pub(crate) active: bool,
}

/// Lowers one service.
pub(crate) fn lower(declared: &Declared<'_>, around: &Around<'_>, cx: &mut Cx<'_>) -> Lowered {
    let Declared { name, key, raw, active } = *declared;
    names::key(name, key, "service", cx);
    let on = group(key, raw, around, cx);
    let build = raw.build.at().and_then(|at| build::lower(at, cx));
    let image = image::lower(&image::Asked { name, key, raw, on: &on, around }, cx);
    let ports = flattened(&raw.ports);
    let (volumes, tmpfs) = mounts(raw, cx);
    let files = files(raw);
    let restart = restart(raw, cx);
    let (container_name, container_name_at) = container_name(declared, around, cx);
    let depends_on = raw.depends_on.get().map(|names| names.0.clone()).unwrap_or_default();
    refuse_own_labels(&raw.labels, cx);
    let text = |key: &Key<Text>| key.get().map(|Text(text)| text.clone());
    let texts = |key: &Key<List<Text>>| {
        key.get().map(|list| list.0.iter().map(|item| item.value.0.clone()).collect()).unwrap_or_default()
    };
    let service = Service {
        name: name.to_owned(),
        on,
        image,
        build,
        platform: raw.platform.get().map(|platform| platform.0),
        files: files.iter().map(|(file, _)| file.clone()).collect(),
        volumes,
        ports: ports.iter().map(|(port, _)| port.clone()).collect(),
        container_name,
        restart,
        auto_remove: is_set(&raw.auto_remove),
        check: raw.check.at().and_then(|check| lower_check(check, &ports, cx)),
        command: raw.command.get().map(|line| line.0.clone()),
        entrypoint: raw.entrypoint.get().map(|line| line.0.clone()),
        environment: environment::lower(raw, active, cx),
        user: raw.user.get().map(|user| user.0.clone()),
        working_dir: text(&raw.working_dir),
        labels: plain(&raw.labels),
        hostname: text(&raw.hostname),
        healthcheck: raw.healthcheck.get().map(healthcheck),
        depends_on: depends_on.iter().map(|(name, _)| name.clone()).collect(),
        profiles: texts(&raw.profiles),
        stop_grace_period: grace(raw, cx),
        read_only: is_set(&raw.read_only),
        cap_add: texts(&raw.cap_add),
        cap_drop: texts(&raw.cap_drop),
        mem_limit: raw.mem_limit.get().map(|size| size.0),
        nano_cpus: raw.cpus.get().map(|cpus| cpus.0),
        logging: logging(raw),
        ulimits: ulimits(raw, cx),
        tmpfs,
        shm_size: raw.shm_size.get().map(|size| size.0),
        init: raw.init.get().map(|flag| flag.0),
        extra_hosts: raw.extra_hosts.get().map(|hosts| hosts.0.clone()).unwrap_or_default(),
        interpolated: interpolated::keys(raw),
        parallelism: raw
            .update_config
            .get()
            .and_then(|config| config.parallelism.get())
            .map_or(1, |number| number.unsigned()),
    };
    Lowered { service, key, container_name: container_name_at, ports, depends_on, files }
}

fn is_set(key: &Key<Flag>) -> bool {
    key.get().is_some_and(|flag| flag.0)
}

fn group(key: Origin, raw: &RawService, around: &Around<'_>, cx: &mut Cx<'_>) -> String {
    let names = || listed(around.group_names.iter().map(String::as_str));
    match raw.on.at() {
        Some(on) if around.group_names.contains(&on.value.0) => on.value.0.clone(),
        Some(on) => {
            let meant = did_you_mean(&on.value.0, around.group_names.iter().map(String::as_str));
            let problem = Problem::new(on.at, format!("there is no group `{}`", on.value.0));
            let problem = match meant {
                Some(meant) => {
                    problem.label(format!("did you mean `{meant}`?")).help(format!("write `on: {meant}`"))
                }
                None => problem.label("not under `instances`").help(format!("known are {}", names())),
            };
            cx.report(problem);
            String::new()
        }
        None => match around.group_names {
            [only] => only.clone(),
            several => {
                if raw.on.is_absent() {
                    let problem = Problem::new(key, "this service does not say where it runs");
                    let first = several.first().map(String::as_str).unwrap_or_default();
                    let problem = problem.label(format!("one of {}", names()));
                    cx.report(problem.help(format!("add `on: {first}`")));
                }
                String::new()
            }
        },
    }
}

fn flattened(key: &Key<List<crate::spec::raw::entries::PortEntry>>) -> Vec<(Port, Origin)> {
    let entries = key.get().into_iter().flat_map(|list| &list.0);
    entries.flat_map(|entry| entry.value.0.iter().map(|port| (port.clone(), entry.at))).collect()
}

fn mounts(raw: &RawService, cx: &mut Cx<'_>) -> (Vec<Volume>, Vec<String>) {
    let mut volumes = Vec::new();
    let mut tmpfs = Vec::new();
    let mut targets: IndexMap<String, Origin> = IndexMap::new();
    let listed = raw.tmpfs.get().into_iter().flat_map(|list| &list.0);
    let mounts = raw.volumes.get().into_iter().flat_map(|list| &list.0);
    let mounts = mounts.map(|entry| (entry.value.clone(), entry.at));
    let mounts = mounts.chain(listed.map(|entry| (VolumeEntry::Tmpfs(entry.value.0.clone()), entry.at)));
    for (mount, at) in mounts {
        let target = match &mount {
            VolumeEntry::Mount(volume) => volume.target.as_str(),
            VolumeEntry::Tmpfs(text) => text.split(':').next().unwrap_or_default(),
        };
        if !target.starts_with('/') {
            let problem = Problem::new(at, format!("`{target}` is not an absolute path")).label("here");
            cx.report(problem.help("write /tmp"));
        }
        let target = cleaned(target);
        if let Some(first) = targets.insert(target.clone(), at) {
            let problem = Problem::new(at, format!("two mounts at `{target}`")).label("and again here");
            cx.report(
                problem.and(first, "first here").help("give one of them another path in the container"),
            );
        }
        match mount {
            VolumeEntry::Mount(volume) => volumes.push(Volume { target, ..volume }),
            VolumeEntry::Tmpfs(text) => tmpfs.push(match text.split_once(':') {
                Some((_, options)) => format!("{target}:{options}"),
                None => target,
            }),
        }
    }
    (volumes, tmpfs)
}

fn files(raw: &RawService) -> Vec<(DataFile, Origin)> {
    let entries = raw.files.get().into_iter().flat_map(|list| &list.0);
    entries.map(|entry| (entry.value.0.clone(), entry.at)).collect()
}

fn restart(raw: &RawService, cx: &mut Cx<'_>) -> Restart {
    let Some(restart) = raw.restart.at() else { return Restart::No };
    if let (Some(remove), true) = (raw.auto_remove.at(), restart.value.0 != Restart::No)
        && remove.value.0
    {
        let problem = Problem::new(restart.at, "`restart` does not go with `auto_remove: true`");
        let problem =
            problem.label("would start a container").and(remove.at, "that is removed when it stops");
        cx.report(problem.help("take one of them out"));
    }
    restart.value.0
}

fn container_name(declared: &Declared<'_>, around: &Around<'_>, cx: &mut Cx<'_>) -> (String, Origin) {
    let Declared { name, key, raw, .. } = *declared;
    let Some(at) = raw.container_name.at() else {
        return (format!("{}-{name}-1", around.deployment), key);
    };
    let text = &at.value.0;
    if !names::is_container_name(text) {
        let problem = Problem::new(at.at, format!("`{text}` cannot name a container"));
        cx.report(problem.label("letters, digits, `_`, `.` and `-`, at least two").help("write s2"));
    } else if text.ends_with(".a3-old") {
        let problem = Problem::new(at.at, "names that end in `.a3-old` are a3's own, for the swap");
        cx.report(problem.label("here").help("write another name"));
    }
    (text.clone(), at.at)
}

/// Reports labels with a3's own prefix.
pub(crate) fn refuse_own_labels(labels: &Key<Pairs<false>>, cx: &mut Cx<'_>) {
    for (name, pair) in labels.get().iter().flat_map(|pairs| &pairs.0) {
        if name.starts_with(OWN_LABELS) {
            let problem = Problem::new(pair.key, format!("the label `{name}` has a3's own prefix"));
            cx.report(problem.label("marks what a3 owns").help("give it another name"));
        }
    }
}

fn lower_check(at: &At<RawCheck>, ports: &[(Port, Origin)], cx: &mut Cx<'_>) -> Option<Check> {
    let raw = &at.value;
    if raw.http.is_absent() {
        cx.report(Problem::new(at.at, "a check needs `http`").label("here").help("add `http: /`"));
    }
    if let Some(path) = raw.http.at()
        && (!path.value.0.starts_with('/') || path.value.0.contains(char::is_whitespace))
    {
        let text = &path.value.0;
        let help = match text.split_once("://").and_then(|(_, rest)| rest.split_once('/')) {
            Some((_, rest)) => format!("write \"/{rest}\": a3 knows the address"),
            None => format!("write \"/{}\"", text.trim()),
        };
        cx.report(Problem::new(path.at, "a check asks for a path").label("begins with `/`").help(help));
    }
    let mut targets: Vec<u16> = ports.iter().map(|(port, _)| port.target).collect();
    targets.sort_unstable();
    targets.dedup();
    let port = match (raw.port.get(), targets.as_slice()) {
        (Some(port), _) => u16::try_from(port.0).ok(),
        (None, [only]) => Some(*only),
        (None, several) => {
            if raw.port.is_absent() {
                let which =
                    if several.is_empty() { "the service has no port" } else { "the service has several" };
                let problem = Problem::new(at.at, "the check does not say which port").label(which);
                let first = several.first().copied().unwrap_or(80);
                cx.report(problem.help(format!("add `port: {first}`, the container's port")));
            }
            None
        }
    };
    Some(Check {
        http: raw.http.get()?.0.clone(),
        port: port?,
        status: raw.status.get().map_or(200, |status| u16::try_from(status.0).unwrap_or(200)),
        timeout: raw.timeout.get().map_or(Duration::from_secs(30), |span| span.0),
    })
}

/// `disable` wins over `test`, which may be another file's.
fn healthcheck(raw: &RawHealthcheck) -> Healthcheck {
    let span = |key: &Key<crate::spec::quantities::Span>| key.get().map(|span| span.0);
    let test = raw.test.get().map(|test| test.0.clone()).unwrap_or_default();
    Healthcheck {
        test: if is_set(&raw.disable) { vec!["NONE".into()] } else { test },
        interval: span(&raw.interval),
        timeout: span(&raw.timeout),
        retries: raw.retries.get().map(|number| number.unsigned()),
        start_period: span(&raw.start_period),
    }
}

fn grace(raw: &RawService, cx: &mut Cx<'_>) -> Duration {
    let Some(grace) = raw.stop_grace_period.at() else { return Duration::from_secs(10) };
    if grace.value.0.subsec_nanos() != 0 {
        let problem = Problem::new(grace.at, "the engine counts the grace period in whole seconds");
        cx.report(problem.label("here").help(format!("write {}s", grace.value.0.as_secs() + 1)));
    }
    grace.value.0
}

fn logging(raw: &RawService) -> Option<Logging> {
    let logging = raw.logging.get()?;
    Some(Logging {
        driver: logging.driver.get().map(|Text(driver)| driver.clone()),
        options: plain(&logging.options),
    })
}

fn ulimits(raw: &RawService, cx: &mut Cx<'_>) -> IndexMap<String, crate::spec::model::Ulimit> {
    let mut limits = IndexMap::new();
    for (name, named) in raw.ulimits.get().into_iter().flat_map(|table| &table.0) {
        let Some(entry) = &named.value else { continue };
        let limit = entry.0;
        if limit.hard >= 0 && (limit.soft > limit.hard || limit.soft < 0) {
            let problem = Problem::new(named.key, "the soft limit is above the hard one").label("here");
            cx.report(problem.help(format!("write {{ soft: {0}, hard: {0} }}", limit.hard)));
        }
        limits.insert(name.clone(), limit);
    }
    limits
}

//! Rules between the services that are active.

use indexmap::IndexMap;

use super::service::Lowered;
use crate::spec::diagnostic::{Problem, did_you_mean, listed};
use crate::spec::model::Port;
use crate::spec::read::Cx;
use crate::spec::source::Origin;

/// Reports what two services cannot both have, and dependencies that cannot be met.
pub(crate) fn check(services: &[Lowered], inactive: &IndexMap<String, Vec<String>>, cx: &mut Cx<'_>) {
    container_names(services, cx);
    ports(services, cx);
    files(services, cx);
    dependencies(services, inactive, cx);
    cycles(services, cx);
}

fn container_names(services: &[Lowered], cx: &mut Cx<'_>) {
    for (index, second) in services.iter().enumerate() {
        let clash = services[..index].iter().find(|first| {
            first.service.on == second.service.on
                && first.service.container_name == second.service.container_name
        });
        if let Some(first) = clash {
            let name = &second.service.container_name;
            let message = format!("two containers are named `{name}` on one machine");
            let problem = Problem::new(second.container_name, message).label("and again here");
            let problem = problem.and(first.container_name, "first here");
            cx.report(problem.help(format!("write `container_name: {name}-2` for one of them")));
        }
    }
}

fn overlap(a: &Port, b: &Port) -> bool {
    let any = |ip: &Option<String>| ip.as_deref().is_none_or(|ip| ip == "0.0.0.0" || ip == "::");
    let same_address = any(&a.host_ip) || any(&b.host_ip) || a.host_ip == b.host_ip;
    a.published.is_some() && a.published == b.published && a.protocol == b.protocol && same_address
}

fn ports(services: &[Lowered], cx: &mut Cx<'_>) {
    let mut seen: Vec<(&str, &Port, Origin)> = Vec::new();
    for lowered in services {
        let group = lowered.service.on.as_str();
        for (port, at) in &lowered.ports {
            let first = seen.iter().find(|(on, other, _)| *on == group && overlap(other, port));
            if let (Some((_, _, first)), Some(published)) = (first, port.published) {
                let message =
                    format!("port {published}/{} is published twice on one machine", port.protocol.as_str());
                let problem = Problem::new(*at, message).label("and again here").and(*first, "first here");
                let other = published.checked_add(1).unwrap_or(8080);
                cx.report(problem.help(format!("publish another one, as in \"{other}:{}\"", port.target)));
            }
            seen.push((group, port, *at));
        }
    }
}

fn files(services: &[Lowered], cx: &mut Cx<'_>) {
    let mut seen: IndexMap<(String, String), (&std::path::Path, Origin)> = IndexMap::new();
    for lowered in services {
        for (file, at) in &lowered.files {
            let name = file.source.file_name().map(|name| name.to_string_lossy().into_owned());
            let target = match name {
                Some(name) if file.target.ends_with('/') => format!("{}{name}", file.target),
                _ => file.target.clone(),
            };
            let target = target.strip_prefix("./").unwrap_or(&target).to_owned();
            let key = (lowered.service.on.clone(), target);
            match seen.get(&key) {
                Some((source, first)) if *source != file.source => {
                    let message = format!("two files become `{}` on one machine", key.1);
                    let problem = Problem::new(*at, message).label("and this").and(*first, "this");
                    cx.report(problem.help("give one of them another target"));
                }
                Some(_) => {}
                None => drop(seen.insert(key, (&file.source, *at))),
            }
        }
    }
}

fn dependencies(services: &[Lowered], inactive: &IndexMap<String, Vec<String>>, cx: &mut Cx<'_>) {
    let names = || services.iter().map(|lowered| lowered.service.name.as_str());
    for lowered in services {
        for (name, at) in &lowered.depends_on {
            if names().any(|known| known == name) {
                continue;
            }
            let problem = match inactive.get(name) {
                Some(profiles) => {
                    let profile = profiles.first().map(String::as_str).unwrap_or_default();
                    Problem::new(*at, format!("`{name}` is only there with a profile"))
                        .label("not active")
                        .help(format!("add `--profile {profile}`, or give this service the same `profiles`"))
                }
                None => {
                    let problem = Problem::new(*at, format!("there is no service `{name}`"));
                    match did_you_mean(name, names()) {
                        Some(meant) => problem
                            .label(format!("did you mean `{meant}`?"))
                            .help(format!("write `depends_on: [{meant}]`")),
                        None => problem
                            .label("not under `services`")
                            .help(format!("known are {}", listed(names()))),
                    }
                }
            };
            cx.report(problem);
        }
    }
}

/// Reports each cycle once, at the service that is declared first.
fn cycles(services: &[Lowered], cx: &mut Cx<'_>) {
    let by_name: IndexMap<&str, &Lowered> =
        services.iter().map(|lowered| (lowered.service.name.as_str(), lowered)).collect();
    let mut done: Vec<&str> = Vec::new();
    for name in by_name.keys() {
        let mut path = Vec::new();
        visit(name, &by_name, &mut path, &mut done, cx);
    }
}

fn visit<'a>(
    name: &'a str,
    services: &IndexMap<&'a str, &'a Lowered>,
    path: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
    cx: &mut Cx<'_>,
) {
    if done.contains(&name) {
        return;
    }
    let Some(lowered) = services.get(name) else { return };
    path.push(name);
    for (next, at) in &lowered.depends_on {
        if let Some(start) = path.iter().position(|earlier| earlier == next) {
            let mut round: Vec<&str> = path[start..].to_vec();
            round.push(next);
            let message = format!("services wait for each other: {}", round.join(" → "));
            let problem = Problem::new(*at, message).label("closes the circle");
            let first = services.get(next.as_str()).map(|lowered| lowered.key);
            let problem = first.into_iter().fold(problem, |problem, at| problem.and(at, "begins here"));
            cx.report(problem.help(format!("take `{next}` out of the `depends_on` of `{name}`")));
        } else if let Some((next, _)) = services.get_key_value(next.as_str()) {
            visit(next, services, path, done, cx);
        }
    }
    path.pop();
    done.push(name);
}

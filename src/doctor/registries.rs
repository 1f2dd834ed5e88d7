//! Registries: that they answer, know the login, and let it push.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{clock, is_local};
use crate::explain::Explain as _;
use crate::id::{Arch, Platform};
use crate::init::{Around, REGISTRY};
use crate::observe::{World, now};
use crate::observed::RemoteSeen;
use crate::plan::names;
use crate::registry::{Client, PushRight};
use crate::report::doctor::{Finding, Health};
use crate::spec::{Service, Spec};

/// Whether `docker login` was done for GitHub's.
pub(super) fn without_a_spec() -> Vec<Finding> {
    let subject = format!("registry {REGISTRY}");
    vec![if Around::here().logged_in(REGISTRY) {
        Finding::ok(subject, "`docker login` was done here; a deploy.yaml without a password uses it")
    } else {
        Finding::ok(subject, "no `docker login` here; a deploy.yaml names its password then")
    }]
}

/// Every registry that an image comes from. `commands` would be asked for a password, and may not run.
pub(super) async fn check(spec: &Spec, world: &World, commands: &[String]) -> Vec<Finding> {
    let mut by_server: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in spec.services.values() {
        // What is built and run here is not pushed.
        if !(service.build.is_some() && is_local(spec, &service.on)) {
            by_server.entry(names::server(&service.image)).or_default().push(service);
        }
    }
    let mut findings = Vec::new();
    if !commands.is_empty() {
        let message =
            format!("deploy.yaml runs `{}` for a secret, which was not done", commands.join("`, `"));
        findings.push(Finding::warning("secrets", message, "a3 doctor -y runs it"));
    } else {
        findings.extend(world.missing.iter().map(|one| Finding::of("secrets", Health::Failed, &one.cause)));
    }
    let asked = by_server.into_iter().map(async |(server, services)| {
        let subject = format!("registry {server}");
        match world.registries.get(server) {
            Some(Ok(client)) => {
                let user = world.credentials.get(server).map(|credential| credential.username.clone());
                of_server(client, user, &services).await
            }
            // Its password is a finding already.
            Some(Err(_)) if !commands.is_empty() || !world.missing.is_empty() => {
                vec![Finding::warning(subject, "not asked: its password was not read", "see above")]
            }
            Some(Err(cause)) => vec![Finding::of(subject, Health::Failed, cause)],
            None => Vec::new(),
        }
    });
    findings.extend(join_all(asked).await.into_iter().flatten());
    findings
}

async fn of_server(client: &Client, user: Option<String>, services: &[&Service]) -> Vec<Finding> {
    let server = client.server();
    let subject = format!("registry {server}");
    let date = client.date().await;
    let mut findings: Vec<Finding> =
        date.map(|date| clock::compare("clock", server, date, now())).into_iter().collect();
    let asked = services.iter().map(async |service| match service.build {
        Some(_) => push(client, &subject, service).await,
        None => pull(client, &subject, service).await,
    });
    let answers = join_all(asked).await;
    let known = answers.iter().any(|finding| finding.health == Health::Ok);
    if let (true, Some(user)) = (known, user) {
        findings.push(Finding::ok(&subject, format!("knows {user}")));
    }
    for answer in answers {
        // One wrong password is one finding, however many images are behind it.
        if !findings.contains(&answer) {
            findings.push(answer);
        }
    }
    findings
}

async fn push(client: &Client, subject: &str, service: &Service) -> Finding {
    let image = &service.image;
    match client.may_push(image).await {
        Ok(PushRight::Allowed) => Finding::ok(subject, format!("{image} may be pushed")),
        Ok(PushRight::Denied { why, help }) => {
            Finding { health: Health::Failed, help, ..Finding::ok(subject, why) }
        }
        Ok(PushRight::NotChecked { why }) => {
            let message = format!("whether {image} may be pushed is not known: {why}");
            Finding::warning(subject, message, "a3 apply finds out before it builds")
        }
        Err(error) => {
            let health = if error.is_no_answer() { Health::Unreachable } else { Health::Failed };
            Finding::of(subject, health, &error.cause())
        }
    }
}

async fn pull(client: &Client, subject: &str, service: &Service) -> Finding {
    let image = &service.image;
    let platform = service.platform.unwrap_or(Platform(Arch::Amd64));
    match client.look_up(image, platform).await {
        RemoteSeen::Found(_) => Finding::ok(subject, format!("{image} is there")),
        RemoteSeen::Absent => Finding {
            health: Health::Failed,
            help: Some("check the name and the tag".to_owned()),
            ..Finding::ok(subject, format!("{image} is not there"))
        },
        RemoteSeen::NotVisible => Finding {
            health: Health::Failed,
            help: Some(
                "check the name, or give `registry` a username and password that may read it".to_owned(),
            ),
            ..Finding::ok(subject, format!("{image} is not there, or not for this login to see"))
        },
        RemoteSeen::Unusable(cause) => Finding::of(subject, Health::Failed, &cause),
        RemoteSeen::NotAsked => Finding::ok(subject, format!("{image} was not asked for")),
        RemoteSeen::Unreachable(cause) => Finding::of(subject, Health::Unreachable, &cause),
    }
}

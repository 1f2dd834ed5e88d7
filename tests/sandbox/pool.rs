//! Machines that tests use one after the other: a launch costs seconds, so a test that only changes
//! something on a running deployment borrows one. It is given as the spec says, and taken back as it
//! may be; `a3 apply` is what makes it good again, or the next borrower fails.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crate::deployment::Deployment;
use crate::place::{remove_images, variable};

static FREE: Mutex<Vec<Deployment>> = Mutex::new(Vec::new());
static MADE: AtomicUsize = AtomicUsize::new(0);

/// A small web server that shows what it was given: `/version` from its image, `/greeting` from its
/// environment, `/music.csv` from its data, read at start.
const SERVE: &str = "trap 'exit 0' TERM\n\
    mkdir -p /tmp/w\n\
    cp /data/music.csv /tmp/w/\n\
    printf '%s' \"$GREETING\" >/tmp/w/greeting\n\
    printf 'v1' >/tmp/w/version\n\
    printf '%s' \"$HIDDEN\" | sha256sum >/tmp/w/hidden\n\
    echo serving\n\
    httpd -p 8080 -h /tmp/w\n\
    while :; do sleep 1 & wait $!; done\n";

/// Parts of every spec: the registry.
pub(crate) fn registry() -> String {
    let server = variable("A3_SANDBOX_GHCR");
    let user = variable("A3_SANDBOX_GHCR_USER");
    let file = variable("A3_SANDBOX_GHCR_PASSWORD_FILE");
    format!("registry: {{ server: \"{server}\", username: {user}, password: {{ file: {file} }} }}\n")
}

/// A group of instances.
pub(crate) fn group(name: &str) -> String {
    let (url, key) = (variable("A3_SANDBOX_ADDRESS_URL"), variable("A3_SANDBOX_SSH_KEY"));
    format!(
        "  {name}:\n    ec2:\n      region: us-west-2\n      instance_type: t2.micro\n      \
         ami: {{ name: \"al2023-ami-2023.*-x86_64\", owner: amazon }}\n      address_url: {url}\n    \
         ssh: {{ identity_file: {key} }}\n"
    )
}

/// The web server as a service.
pub(crate) fn web_service(deployment: &str) -> String {
    let (server, user) = (variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"));
    let tiny = variable("A3_SANDBOX_TINY");
    format!(
        "  s2:\n    image: {server}/{user}/{deployment}-s2:v1\n    \
         build: {{ context: app, args: {{ BASE: \"{tiny}\" }} }}\n    \
         files: [\"./music.csv:music/\"]\n    volumes: [\"./music:/data\"]\n    ports: [\"30001:8080\"]\n    \
         environment: {{ GREETING: hello }}\n    container_name: s2\n    restart: unless-stopped\n    \
         check: {{ http: /music.csv, timeout: 20s }}\n"
    )
}

/// The files beside the spec; `app` is unlike that of any other deployment, so that no registry and
/// no engine has its image yet.
pub(crate) fn write_sources(deployment: &Deployment) {
    let mark = format!("{} {}", deployment.name, std::process::id());
    deployment.write(
        "app/Dockerfile",
        "ARG BASE\nFROM ${BASE}\nCOPY serve.sh /\nCMD [\"/bin/sh\", \"/serve.sh\"]\n",
    );
    deployment.write("app/serve.sh", &format!("# {mark}\n{SERVE}"));
    deployment.write("music.csv", "Song,Artist\nOne,Nobody\n");
}

/// A deployment of the web server on a machine of its own; not applied yet.
pub(crate) fn web(name: &str) -> Deployment {
    let spec =
        format!("name: {name}\n{}instances:\n{}services:\n{}", registry(), group("web"), web_service(name));
    let deployment = Deployment::new(name, &spec);
    write_sources(&deployment);
    deployment
}

/// A borrowed deployment.
pub(crate) struct Borrowed {
    deployment: Option<Deployment>,
    /// The spec and files as they were given.
    before: Vec<(&'static str, String)>,
}

const EDITED: [&str; 3] = ["deploy.yaml", "music.csv", "app/serve.sh"];

/// A deployment that runs as its spec says.
pub(crate) fn borrow() -> Borrowed {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| remove_images(&["pool-*", &format!("{}/*/pool-*", variable("A3_SANDBOX_GHCR"))]));
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let deployment = free.unwrap_or_else(|| {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        // The sandbox goes down after the last test, and takes the machines along.
        web(&format!("pool-{number}")).kept()
    });
    let before = EDITED.map(|name| (name, fs::read_to_string(deployment.path(name)).unwrap()));
    let borrowed = Borrowed { deployment: Some(deployment), before: before.into() };
    borrowed.apply();
    borrowed
}

impl Deref for Borrowed {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        self.deployment.as_ref().unwrap()
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Deployment {
        self.deployment.as_mut().unwrap()
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        for (name, text) in &self.before {
            self.write(name, text);
        }
        // What a failed test left is not the next one's to suffer: it gets a new machine.
        if let Some(deployment) = self.deployment.take().filter(|_| !std::thread::panicking()) {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(deployment);
        }
    }
}

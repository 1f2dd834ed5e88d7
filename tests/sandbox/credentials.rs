//! No credential is left behind: not on the machine's disk, not in an argument list, not in what is
//! said.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use crate::cloud::{host_docker, on_host};
use crate::place::variable;
use crate::pool::web;
use crate::process::Output;

const FIRST: &str = "hidden-Hh3kQ0-first";
const SECOND: &str = "hidden-Zz9mW7-second";

fn password() -> String {
    fs::read_to_string(variable("A3_SANDBOX_GHCR_PASSWORD_FILE")).unwrap().trim().to_owned()
}

/// The password as it is stored, and as it travels.
fn password_forms() -> Vec<String> {
    let (user, password) = (variable("A3_SANDBOX_GHCR_USER"), password());
    let encoded = BASE64.encode(format!("{user}:{password}").as_bytes());
    vec![password, encoded]
}

fn secrets() -> Vec<String> {
    password_forms().into_iter().chain([FIRST.to_owned(), SECOND.to_owned()]).collect()
}

#[track_caller]
fn says_no_secret(output: &Output) {
    for secret in secrets() {
        assert!(!output.all().contains(&secret), "`{secret}` was said: {output}");
    }
}

/// Files on the machine, written since it booted, that hold one of these. Docker keeps the settings of
/// a container, environment included, in `/var/lib/docker`: only the password is looked for there.
fn files_with(id: &str, secrets: &[String], except: &str) -> String {
    let patterns: Vec<String> = secrets.iter().map(|secret| format!("-e '{secret}'")).collect();
    let script = format!(
        "find / -xdev /var/lib/docker -type f -newer /etc/ssh/ssh_host_ecdsa_key.pub -not -path '/proc/*' \
         -not -path '{except}' -exec grep -lF {} {{}} + 2>/dev/null; true",
        patterns.join(" ")
    );
    on_host(id, &script)
}

/// Looks at the arguments of every process of this machine, those in the hosts' containers included,
/// until it is told to stop.
struct Watch {
    stop: Arc<AtomicBool>,
    looker: JoinHandle<(usize, Vec<String>)>,
}

impl Watch {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let secrets = secrets();
        let looker = std::thread::spawn(move || {
            let (mut looks, mut seen) = (0, Vec::new());
            while !told.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    looks += 1;
                    if secrets.iter().any(|secret| line.contains(secret)) {
                        seen.push(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (looks, seen)
        });
        Self { stop, looker }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, seen) = self.looker.join().unwrap();
        assert!(looks > 1000, "only {looks} looks");
        assert!(seen.is_empty(), "{seen:?}");
    }
}

#[test]
fn no_credential_is_left_behind() {
    let mut web = web("hidden");
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: hello, HIDDEN: { env: LIFE_HIDDEN }");
    web.set("LIFE_HIDDEN", FIRST);

    let watch = Watch::begin();
    says_no_secret(&web.a3(&["plan"]).ok());
    says_no_secret(&web.a3(&["--verbose", "--log-file", "log", "apply", "--yes", "--json"]).ok());
    watch.end();
    for secret in secrets() {
        let log = fs::read_to_string(web.path("log")).unwrap();
        assert!(!log.contains(&secret), "`{secret}` is in the log");
    }
    let id = web.id();
    let shown = |secret: &str| format!("{}  -\n", data_encoding::HEXLOWER.encode(&Sha256::digest(secret)));
    assert_eq!(web.get(30001, "/hidden"), shown(FIRST), "the service has it");
    assert_eq!(files_with(&id, &password_forms(), "/run/a3/*"), "", "the password is on the disk");
    assert_eq!(files_with(&id, &secrets(), "/var/lib/docker/*"), "", "a secret is on the disk");
    let labels = host_docker(&id, "inspect -f '{{json .Config.Labels}}' s2");
    assert!(labels.contains("dev.a3.config") && !labels.contains(FIRST), "{labels}");

    // Another value is a new container, and neither value is shown.
    web.is_converged();
    web.set("LIFE_HIDDEN", SECOND);
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["run"]);
    for arguments in [&["plan"][..], &["plan", "--json"], &["config"], &["apply", "--yes"]] {
        says_no_secret(&web.a3(arguments).ok());
    }
    assert_eq!(web.get(30001, "/hidden"), shown(SECOND));
    says_no_secret(&web.a3(&["status"]).ok());
    web.is_converged();

    // Stored only when that is asked for, and the plan says so. The next pull logs in.
    web.edit("deploy.yaml", "password: {", "persist_login: true, password: {");
    web.edit("app/serve.sh", "printf 'v1'", "printf 'v2'");
    web.a3(&["plan"]).ok().says("the credential stays there");
    says_no_secret(&web.apply());
    let stored = on_host(&id, "cat /home/ec2-user/.docker/config.json");
    assert!(stored.contains(&password_forms()[1]), "{stored}");
    web.is_converged();
    web.destroy();
}

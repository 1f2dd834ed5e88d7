//! The kinds of host that people have, each through its whole life: first deploy, no change, update,
//! destroy. What ran is printed as a table.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::cloud::{on_host, terminate};
use crate::deployment::{Deployment, get};
use crate::place::{sandbox, variable};
use crate::pool::{registry, web, web_service, write_sources};
use crate::process::run;

/// A machine that a3 does not launch: what it boots from, and what is done to it before.
struct Existing {
    ami: &'static str,
    user: &'static str,
    prepare: &'static str,
    /// Further keys of its group.
    keys: &'static str,
    /// Whether it is reached through another machine.
    jump: bool,
    /// What the first apply has to say.
    says: &'static str,
}

const PLAIN: Existing =
    Existing { ami: "AL2023", user: "ec2-user", prepare: "", keys: "", jump: false, says: "run s2 on web/0" };

/// Changes sshd's settings and has it read them.
macro_rules! sshd {
    ($edit:literal) => {
        concat!("sed -i '", $edit, "' /etc/ssh/sshd_config && kill -HUP $(cat /run/sshd.pid)")
    };
}

const HOSTS: [(&str, Existing); 10] = [
    ("host: plain", PLAIN),
    ("host: behind a jump host", Existing { jump: true, ..PLAIN }),
    (
        "host: without docker",
        Existing {
            ami: "BARE",
            keys: "    install_docker: true\n    sudo: true\n",
            says: "install docker on web/0",
            ..PLAIN
        },
    ),
    (
        "host: docker stopped",
        Existing {
            prepare: "systemctl stop docker",
            keys: "    install_docker: true\n    sudo: true\n",
            says: "start docker on web/0",
            ..PLAIN
        },
    ),
    ("host: user outside group docker", Existing { ami: "NOGROUP", keys: "    sudo: true\n", ..PLAIN }),
    (
        "host: no stream-local forwarding",
        Existing { prepare: sshd!("$ a AllowStreamLocalForwarding no"), ..PLAIN },
    ),
    ("host: MaxSessions 1", Existing { prepare: sshd!("s/^MaxSessions .*/MaxSessions 1/"), ..PLAIN }),
    ("host: login shell tcsh", Existing { prepare: "usermod -s /bin/tcsh ec2-user", ..PLAIN }),
    (
        "host: root login",
        Existing {
            user: "root",
            prepare: concat!(
                "mkdir -p /root/.ssh && cp /home/ec2-user/.ssh/authorized_keys /root/.ssh/ && ",
                sshd!("s/^PermitRootLogin .*/PermitRootLogin prohibit-password/")
            ),
            ..PLAIN
        },
    ),
    (
        "host: home is not the user's",
        Existing {
            prepare: "chown root:root /home/ec2-user && chmod 755 /home/ec2-user",
            keys: "    sudo: true\n",
            ..PLAIN
        },
    ),
];

/// Shows who may log in.
const KEYS: &str = "cat /home/ec2-user/.ssh/authorized_keys /root/.ssh/authorized_keys 2>/dev/null; true";

/// What a row had to show.
#[derive(Default)]
struct Row {
    kind: String,
    /// Seconds of each part that ended well.
    parts: Vec<u64>,
    failed: bool,
}

/// What is deployed, and where it answers.
struct Stand {
    deployment: Deployment,
    port: u16,
    address: Option<String>,
    says: &'static str,
    /// A machine that ends with the row.
    machine: Option<String>,
}

fn on_ec2(number: usize, ami: Option<&str>) -> Stand {
    let deployment = web(&format!("kind-{number}"));
    if let Some(ami) = ami {
        let newest = "ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }";
        deployment.edit("deploy.yaml", newest, &format!("ami: {}", variable(ami)));
        deployment.edit("deploy.yaml", "ssh: { ", "ssh: { user: ec2-user, ");
    }
    let says = if ami.is_some() { "install docker on web/0" } else { "launch web/0" };
    Stand { deployment, port: 30001, address: None, says, machine: None }
}

fn on_existing(number: usize, kind: &Existing) -> Stand {
    let name = format!("kind-{number}");
    let said = sandbox("launch", &[kind.ami]);
    let mut words = said.split_whitespace().map(str::to_owned);
    let (id, address) = (words.next().unwrap(), words.next().unwrap());
    if !kind.prepare.is_empty() {
        on_host(&id, kind.prepare);
    }
    let (key, other) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_SSH_KEY_RSA"));
    let (user, keys) = (kind.user, kind.keys);
    let mut known = host_key_of(&address);
    let (mut dialled, mut jump) = (address.clone(), String::new());
    if kind.jump {
        // As it sees itself: from here, nothing answers at that address.
        "127.0.0.1".clone_into(&mut dialled);
        jump = format!(", proxy_jump: {user}@{address}");
        known += &known.replace(&address, &dialled);
    }
    let spec = format!(
        "name: {name}\n{}instances:\n  web:\n    host: {user}@{dialled}\n{keys}    ssh: {{ identity_file: {key}, authorized_keys: [{{ file: {other}.pub }}]{jump} }}\n\
         services:\n{}",
        registry(),
        web_service(&name)
    );
    let mut deployment = Deployment::new(&name, &spec);
    write_sources(&deployment);
    if kind.prepare.starts_with("chown") {
        // Nothing can be put below its home: the data goes elsewhere, with sudo.
        let target = format!("files: [{{ source: ./music.csv, target: /srv/{name}/, sudo: true }}]");
        deployment.edit("deploy.yaml", "files: [\"./music.csv:music/\"]", &target);
        deployment.edit("deploy.yaml", "./music:/data", &format!("/srv/{name}:/data"));
    }
    deployment.write("home/.ssh/known_hosts", &known);
    deployment.write("home/.ssh/config", &format!("Host {address}\n  IdentityFile {key}\n"));
    let home = deployment.path("home").display().to_string();
    deployment.set("HOME", &home);
    Stand { deployment, port: 30001, address: Some(address), says: kind.says, machine: Some(id) }
}

/// What an sshd shows that may be starting anew, since its settings were changed.
pub(crate) fn host_key_of(address: &str) -> String {
    let scan = |_| {
        let scanned = run(Command::new("ssh-keyscan").args(["-t", "ed25519", address])).stdout;
        let shown = !scanned.trim().is_empty();
        if !shown {
            std::thread::sleep(Duration::from_millis(500));
        }
        shown.then_some(scanned)
    };
    (0..20).find_map(scan).expect("sshd shows its key")
}

fn on_local(number: usize) -> Stand {
    let name = format!("kind-{number}");
    // A port and a name of this checkout's own: the engine is shared with others.
    let port = 20_000 + variable("A3_SANDBOX_NUMBER").parse::<u16>().unwrap() % 10_000;
    let service = web_service(&name).replace("30001:", &format!("{port}:"));
    let service = service.replace("container_name: s2", &format!("container_name: {name}-{port}"));
    let spec =
        format!("name: {name}\n{}instances:\n  here:\n    local: {{}}\nservices:\n{service}", registry());
    let deployment = Deployment::new(&name, &spec);
    write_sources(&deployment);
    Stand { deployment, port, address: Some("127.0.0.1".into()), says: "run s2 on here/0", machine: None }
}

/// One kind of host through its life; what went well so far is in `row`.
fn live(stand: &Stand, row: &Mutex<Row>) {
    let began = Mutex::new(Instant::now());
    let part = || {
        let mut began = began.lock().unwrap();
        row.lock().unwrap().parts.push(began.elapsed().as_secs());
        *began = Instant::now();
    };
    let one = &stand.deployment;
    one.apply().says(stand.says);
    let address = stand.address.clone().unwrap_or_else(|| one.address());
    let shows = |path: &str| get(&address, stand.port, path).unwrap_or_default();
    assert!(shows("/music.csv").contains("One"), "{}", row.lock().unwrap().kind);
    part();

    if let Some(id) = &stand.machine {
        assert!(on_host(id, KEYS).contains("# a3 kind-"), "nobody else is admitted");
    }
    one.is_converged();
    one.apply().says("No changes.");
    part();

    one.edit("deploy.yaml", "GREETING: hello", "GREETING: changed");
    one.edit("app/serve.sh", "printf 'v1'", "printf 'v2'");
    one.edit("music.csv", "One,", "Two,");
    one.apply();
    let shown = (shows("/greeting"), shows("/version"), shows("/music.csv").contains("Two"));
    assert_eq!(shown, ("changed".into(), "v2".into(), true), "{}", row.lock().unwrap().kind);
    one.is_converged();
    part();

    one.destroy();
    assert!(get_once(&address, stand.port).is_none(), "it answers after a destroy");
    if let Some(id) = &stand.machine {
        // The folder itself may stay, empty: the one above is root's.
        let left = on_host(id, "find /var/lib/a3 /home/ec2-user/.a3 -type f 2>/dev/null; true");
        assert_eq!(left, "");
        let keys = on_host(id, KEYS);
        assert!(keys.contains("ssh-") && !keys.contains("a3 kind-"), "{keys}");
    }
    part();
}

/// Without retries: nothing is expected.
fn get_once(address: &str, port: u16) -> Option<String> {
    let url = format!("http://{address}:{port}/");
    let output = run(Command::new("curl").args(["-sS", "--max-time", "1", &url]));
    (output.code == Some(0)).then_some(output.stdout)
}

type Make = Box<dyn Fn(usize) -> Stand + Send + Sync>;

fn kinds() -> Vec<(String, Make)> {
    let mut kinds: Vec<(String, Make)> = vec![
        ("ec2: with docker".into(), Box::new(|number| on_ec2(number, None))),
        ("ec2: without docker".into(), Box::new(|number| on_ec2(number, Some("A3_SANDBOX_AMI_BARE")))),
        ("local".into(), Box::new(on_local)),
    ];
    for (kind, existing) in HOSTS {
        kinds.push((kind.into(), Box::new(move |number| on_existing(number, &existing))));
    }
    kinds
}

#[test]
fn every_kind_of_host() {
    let kinds = kinds();
    let next = Mutex::new(0..kinds.len());
    let rows: Vec<Mutex<Row>> = kinds.iter().map(|_| Mutex::default()).collect();
    let work = || {
        loop {
            let Some(number) = next.lock().unwrap().next() else { return };
            let (kind, make) = &kinds[number];
            let row = &rows[number];
            row.lock().unwrap().kind.clone_from(kind);
            let lived = catch_unwind(AssertUnwindSafe(|| {
                let stand = make(number);
                let lived = catch_unwind(AssertUnwindSafe(|| live(&stand, row)));
                let machine = stand.machine.clone();
                drop(stand);
                if let Some(id) = machine {
                    terminate(&id);
                }
                assert!(lived.is_ok(), "{kind}");
            }));
            row.lock().unwrap_or_else(std::sync::PoisonError::into_inner).failed = lived.is_err();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(work);
        }
    });
    let table = table(&rows);
    // Past the harness, which shows only what failed.
    writeln!(std::io::stderr(), "\n{table}").ok();
    assert!(!table.contains("FAILED"), "{table}");
}

fn table(rows: &[Mutex<Row>]) -> String {
    let mut text =
        format!("{:<34}{:>13}{:>11}{:>8}{:>9}\n", "", "first deploy", "no change", "update", "destroy");
    for row in rows {
        let row = row.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        text += &format!("{:<34}", row.kind);
        for (part, width) in [13, 11, 8, 9].into_iter().enumerate() {
            let shown = match row.parts.get(part) {
                Some(seconds) => format!("{seconds} s"),
                None if row.failed && row.parts.len() == part => "FAILED".into(),
                None => "-".into(),
            };
            text += &format!("{shown:>width$}");
        }
        text.push('\n');
    }
    text
}

/// A network that only has our name is found before anything is built, and keeps no destroy from its end.
#[test]
fn a_network_of_somebody_else() {
    let Stand { deployment: one, port, .. } = on_local(90);
    let network = format!("{}_default", one.name);
    let create = || drop(crate::place::docker(&["network", "create", &network]));
    let remove = || drop(crate::place::docker(&["network", "rm", &network]));
    create();
    let refused = one.a3(&["apply", "--yes"]).ended(73);
    assert!(refused.all().contains(&format!("docker network rm {network}")), "{}", refused.all());
    remove();
    one.apply();
    let container = format!("{}-{port}", one.name);
    crate::place::docker(&["rm", "-f", &container]);
    remove();
    create();
    let destroyed = one.a3(&["destroy", "--yes"]).ok();
    assert!(destroyed.all().contains("Nothing is left"), "{}", destroyed.all());
    remove();
}

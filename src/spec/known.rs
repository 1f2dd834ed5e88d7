//! Keys that a3 knows of and does not have: each gets a message of its own.

/// What to say about a key that is reserved or missing on purpose.
pub(crate) struct Reserved {
    pub(crate) message: String,
    pub(crate) label: &'static str,
    pub(crate) help: String,
}

/// Top-level names of things to come.
const TO_COME: &[&str] = &["networks", "secrets", "configs", "proxy", "hooks", "notify"];
/// The same in a service.
const TO_COME_IN_SERVICE: &[&str] = &["networks", "secrets", "configs", "deploy", "proxy", "hooks", "notify"];
/// Places of a group to come.
const TO_COME_IN_GROUP: &[&str] = &["swarm", "kubernetes"];
/// Service keys of the Compose Specification that a3 does not have.
const COMPOSE_ONLY: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "cgroup",
    "cgroup_parent",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "credential_spec",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "expose",
    "extends",
    "external_links",
    "gpus",
    "group_add",
    "ipc",
    "isolation",
    "links",
    "mac_address",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "post_start",
    "pre_stop",
    "privileged",
    "provider",
    "pull_policy",
    "runtime",
    "scale",
    "security_opt",
    "stdin_open",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tty",
    "use_api_socket",
    "userns_mode",
    "uts",
    "volumes_from",
];

/// A key of `what` that is known and refused.
pub(crate) fn reserved(what: &str, key: &str) -> Option<Reserved> {
    let not_yet = |help: &str| {
        Some(Reserved {
            label: "not yet",
            message: format!("`{key}` is reserved: a3 does not have it yet"),
            help: help.to_owned(),
        })
    };
    let refused = |message: &str, help: &str| {
        Some(Reserved { label: "here", message: message.to_owned(), help: help.to_owned() })
    };
    match (what, key) {
        ("a service", "deploy") => not_yet(
            "a service runs once on each instance of its group (`instances.*.count`); `update_config` is a key of the service itself",
        ),
        ("a service", "networks") | ("the spec", "networks") => {
            not_yet("take it out: services on one host share a network and find each other by name")
        }
        ("a service" | "the spec", "secrets") => not_yet(
            "give a secret as `environment: { NAME: { file: PATH } }`, or `{ env: … }`, `{ command: […] }`",
        ),
        ("a service" | "the spec", "configs") => not_yet("copy a file with `files: [\"./local:remote\"]`"),
        ("the spec", _) if TO_COME.contains(&key) => not_yet("take it out, or call it `x-…` to keep it"),
        ("a service", _) if TO_COME_IN_SERVICE.contains(&key) => {
            not_yet("take it out, or call it `x-…` to keep it")
        }
        ("a group", _) if TO_COME_IN_GROUP.contains(&key) => not_yet("use `ec2`, `host` or `local`"),
        ("the spec", "version") => refused("`version` is obsolete", "take the line out"),
        ("the spec", "volumes") => refused("named volumes need no declaration", "take `volumes:` out"),
        ("the spec", "include") => refused(
            "a3 has no `include`",
            "give the files one after the other: a3 plan -f deploy.yaml -f other.yaml",
        ),
        ("build", "platforms") => {
            refused("an image is built for one platform", "set `platform: linux/amd64` at the service")
        }
        ("a service", _) if COMPOSE_ONLY.contains(&key) => refused(
            &format!("`{key}` is a key of Compose that a3 does not have"),
            &format!("take it out, or call it `x-{key}` to keep it for Compose"),
        ),
        _ => None,
    }
}

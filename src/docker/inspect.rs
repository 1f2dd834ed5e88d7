//! The engine's description of a container, as far as a3 reads it
//! (`GET /containers/NAME/json`, <https://docs.docker.com/reference/api/engine/version/v1.41/>).
//! Own types instead of bollard's: what a3 does not read cannot fail to be understood.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::container::{ContainerDetail, MORE_THAN_ANY_MACHINE};
use crate::observed::{ContainerSeen, ContainerState, Health, PublishedPort};
use crate::record::{InPlaceSeen, Limit};
use crate::spec::{Protocol, Restart};

/// Where a container does not say (<https://docs.docker.com/reference/cli/docker/container/stop/>).
const DEFAULT_GRACE: u64 = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    id: String,
    name: String,
    image: String,
    created: String,
    #[serde(default)]
    restart_count: u64,
    state: State,
    config: Config,
    host_config: HostConfig,
    #[serde(default)]
    network_settings: NetworkSettings,
    #[serde(default)]
    mounts: Option<Vec<Mount>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    finished_at: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    health: Option<HealthState>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthState {
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    tty: bool,
    stop_timeout: Option<u64>,
    healthcheck: Option<Healthcheck>,
}

/// Times are nanoseconds; 0 is the engine's default.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Healthcheck {
    /// Nothing, or `NONE` alone: nobody checks, whatever else is said.
    test: Option<Vec<String>>,
    interval: u64,
    timeout: u64,
    retries: u32,
    start_period: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    auto_remove: bool,
    port_bindings: Option<Ports>,
    #[serde(default)]
    restart_policy: RestartPolicy,
    #[serde(default)]
    memory: i64,
    #[serde(default)]
    nano_cpus: i64,
}

impl HostConfig {
    /// Whether its processors are all there are, the caller has to ask.
    fn in_place(&self) -> Option<InPlaceSeen> {
        let memory = u64::try_from(self.memory).ok();
        let mem_limit = match memory {
            Some(0) => Limit::Never,
            Some(limit) if self.memory < MORE_THAN_ANY_MACHINE => Limit::At(limit),
            // `docker update --memory -1` too.
            other => Limit::All(other.unwrap_or(u64::MAX)),
        };
        let nano_cpus = if self.nano_cpus > 0 { Limit::At(self.nano_cpus) } else { Limit::Never };
        Some(InPlaceSeen { restart: self.restart_policy.meaning()?, mem_limit, nano_cpus })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartPolicy {
    name: String,
    maximum_retry_count: u32,
}

impl RestartPolicy {
    /// `None` for one that this a3 does not know.
    fn meaning(&self) -> Option<Restart> {
        match self.name.as_str() {
            "" | "no" => Some(Restart::No),
            "always" => Some(Restart::Always),
            "unless-stopped" => Some(Restart::UnlessStopped),
            "on-failure" => Some(Restart::OnFailure(self.maximum_retry_count)),
            _ => None,
        }
    }
}

/// By `80/tcp`.
type Ports = BTreeMap<String, Option<Vec<Binding>>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Binding {
    host_ip: String,
    host_port: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    ports: Option<Ports>,
    networks: Option<BTreeMap<String, Endpoint>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    destination: String,
}

impl Inspected {
    pub(super) fn into_detail(self) -> ContainerDetail {
        let state = state(&self.state);
        let ports = self.ports(state);
        let mounts = self.mounts.unwrap_or_default();
        let anonymous = mounts.iter().filter(|mount| mount.is_anonymous());
        let healthcheck = self.config.healthcheck.as_ref().filter(|check| check.is_made());
        let health_deadline = healthcheck.map(Healthcheck::decided_after);
        let networks = self.network_settings.networks.unwrap_or_default();
        let network_names = networks.keys().cloned().collect();
        let in_place = self.host_config.in_place();
        ContainerDetail {
            created: seconds(&self.created).unwrap_or(0),
            restart_count: self.restart_count,
            error: self.state.error,
            exit_code: self.state.exit_code,
            oom_killed: self.state.oom_killed,
            finished: seconds(&self.state.finished_at),
            tty: self.config.tty,
            auto_remove: self.host_config.auto_remove,
            restart: self.host_config.restart_policy.name,
            restart_limit: self.host_config.restart_policy.maximum_retry_count.into(),
            memory: self.host_config.memory,
            nano_cpus: self.host_config.nano_cpus,
            grace: Duration::from_secs(self.config.stop_timeout.unwrap_or(DEFAULT_GRACE)),
            address: networks.into_values().map(|end| end.address).find(|address| !address.is_empty()),
            anonymous_volumes: anonymous
                .map(|mount| (mount.destination.clone(), mount.name.clone()))
                .collect(),
            health_deadline,
            seen: ContainerSeen {
                id: self.id,
                name: self.name.trim_start_matches('/').to_owned(),
                image_id: self.image,
                labels: self.config.labels.unwrap_or_default(),
                state,
                started: seconds(&self.state.started_at),
                restarts: self.restart_count,
                // The engine calls one that ended unhealthy, however well it did its work.
                health: self.state.health.as_ref().filter(|_| state.is_up()).and_then(health),
                ports,
                mounts: mounts.into_iter().map(Mount::into_what).collect(),
                networks: network_names,
                in_place,
            },
        }
    }

    /// The ports that it holds now: as they are published while it runs, as they are configured
    /// between two tries of its restart policy, none when it is stopped.
    fn ports(&self, state: ContainerState) -> Vec<PublishedPort> {
        let actual = self.network_settings.ports.as_ref();
        let configured = self.host_config.port_bindings.as_ref();
        let from: Vec<&Ports> = match state {
            ContainerState::Running | ContainerState::Paused => actual.into_iter().collect(),
            ContainerState::Restarting => actual.into_iter().chain(configured).collect(),
            ContainerState::Created | ContainerState::Exited(_) | ContainerState::Gone => Vec::new(),
        };
        let mut found = Vec::new();
        let mut known = BTreeSet::new();
        for (key, bindings) in from.into_iter().flatten() {
            let Some((target, protocol)) = port(key) else { continue };
            for binding in bindings.iter().flatten() {
                let Ok(published) = binding.host_port.parse() else { continue };
                // An engine with IPv6 lists "all addresses" twice.
                let any = matches!(binding.host_ip.as_str(), "" | "0.0.0.0" | "::");
                let host_ip = (!any).then(|| binding.host_ip.clone());
                if known.insert((host_ip.clone(), published, target, protocol.as_str())) {
                    found.push(PublishedPort { host_ip, published, target, protocol });
                }
            }
        }
        found
    }
}

impl Mount {
    /// Anonymous volumes are named by 64 hex digits.
    fn is_anonymous(&self) -> bool {
        self.kind == "volume" && is_anonymous(&self.name)
    }

    fn into_what(self) -> String {
        if self.kind == "volume" { self.name } else { self.source }
    }
}

/// Whether a volume's name is one that the engine made up.
pub(super) fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Healthcheck {
    /// Whether the engine checks at all: not where it was switched off, nor where only its times are given.
    fn is_made(&self) -> bool {
        let kind = self.test.iter().flatten().next();
        kind.is_some_and(|kind| !matches!(kind.as_str(), "" | "NONE"))
    }

    /// After so long a container that works is healthy, and one that does not is unhealthy. Defaults:
    /// <https://docs.docker.com/reference/dockerfile/#healthcheck>.
    fn decided_after(&self) -> Duration {
        let or_30_s = |nanos| if nanos == 0 { Duration::from_secs(30) } else { Duration::from_nanos(nanos) };
        let retries = if self.retries == 0 { 3 } else { self.retries };
        let tries = (or_30_s(self.interval) + or_30_s(self.timeout)).saturating_mul(retries);
        Duration::from_nanos(self.start_period).saturating_add(tries)
    }
}

fn state(state: &State) -> ContainerState {
    match state.status.as_str() {
        "created" => ContainerState::Created,
        "running" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" => ContainerState::Exited(state.exit_code),
        _ => ContainerState::Gone,
    }
}

fn health(state: &HealthState) -> Option<Health> {
    match state.status.as_str() {
        "starting" => Some(Health::Starting),
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        _ => None,
    }
}

/// `80/tcp`.
fn port(key: &str) -> Option<(u16, Protocol)> {
    let (number, protocol) = key.split_once('/')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some((number.parse().ok()?, protocol))
}

/// Seconds since 1970; the engine writes the year 1 for "never".
fn seconds(text: &str) -> Option<u64> {
    let seconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp();
    u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn described(changes: &[(&str, Value)]) -> ContainerDetail {
        let mut text = json!({
            "Id": "i1", "Name": "/s2", "Image": "sha256:aa", "Created": "2026-11-24T20:00:00.5Z",
            "RestartCount": 2,
            "State": { "Status": "running", "ExitCode": 0, "Error": "", "StartedAt": "2026-11-24T20:00:01Z" },
            "Config": { "Labels": { "a": "b" }, "Tty": false, "StopTimeout": 3 },
            "HostConfig": {
                "AutoRemove": false, "RestartPolicy": { "Name": "always" }, "Memory": 7, "NanoCpus": 0,
                "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] }
            },
            "NetworkSettings": {
                "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8080" }], "9/udp": null },
                "Networks": { "d_default": { "IPAddress": "172.18.0.2" } }
            },
            "Mounts": [
                { "Type": "bind", "Source": "/srv/music", "Destination": "/data" },
                { "Type": "volume", "Name": "d_db", "Source": "/var/lib/docker/…", "Destination": "/db" },
                { "Type": "volume", "Name": "0".repeat(64), "Destination": "/cache" }
            ]
        });
        for (pointer, value) in changes {
            *text.pointer_mut(pointer).unwrap() = value.clone();
        }
        serde_json::from_value::<Inspected>(text).unwrap().into_detail()
    }

    /// For tests of what is decided from a container.
    pub(in crate::docker) fn detail_with(
        status: &str,
        code: i64,
        policy: &str,
        health: Option<&str>,
    ) -> ContainerDetail {
        let health = health.map_or(Value::Null, |status| json!({ "Status": status }));
        described(&[
            ("/State", json!({ "Status": status, "ExitCode": code, "Health": health })),
            ("/HostConfig/RestartPolicy/Name", json!(policy)),
        ])
    }

    #[test]
    fn a_running_container_as_it_is() {
        let detail = described(&[]);
        let all = PublishedPort { host_ip: None, published: 8080, target: 80, protocol: Protocol::Tcp };
        assert_eq!(detail.seen.name, "s2");
        assert_eq!(detail.seen.ports, [all]);
        assert_eq!(detail.seen.mounts, ["/srv/music", "d_db", &"0".repeat(64)]);
        assert_eq!(detail.seen.started, Some(1_795_550_401));
        assert_eq!(detail.created, 1_795_550_400);
        assert_eq!(detail.address.as_deref(), Some("172.18.0.2"));
        assert_eq!(detail.grace, Duration::from_secs(3));
        assert_eq!(detail.anonymous_volumes, [("/cache".to_owned(), "0".repeat(64))].into());
        assert_eq!((detail.restart_count, detail.memory, detail.restart.as_str()), (2, 7, "always"));
    }

    #[test]
    fn a_healthcheck_that_is_switched_off_decides_nothing() {
        let of = |check: Value| {
            let config = json!({ "Labels": {}, "Healthcheck": check });
            described(&[("/Config", config)]).health_deadline.map(|deadline| deadline.as_secs())
        };
        assert_eq!(of(json!({ "Test": ["CMD-SHELL", "true"] })), Some(180));
        assert_eq!(of(json!({ "Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 1 })), Some(31));
        assert_eq!(of(json!({ "Test": ["NONE"] })), None);
        assert_eq!(of(json!({ "Interval": 1_000_000_000 })), None, "no test, here or in the image");
        assert_eq!(of(json!({ "Test": [], "Interval": 1_000_000_000 })), None);
        assert_eq!(of(json!({ "Test": null })), None);
        assert_eq!(of(Value::Null), None);
    }

    #[test]
    fn one_that_ended_has_no_health() {
        let of = |status| detail_with(status, 0, "on-failure", Some("unhealthy")).seen.health;
        assert_eq!((of("running"), of("exited")), (Some(Health::Unhealthy), None));
    }

    #[test]
    fn what_docker_update_changes_as_it_is_and_where_a_limit_is_none() {
        let of = |changes: &[(&str, Value)]| described(changes).seen.in_place;
        let seen = of(&[]).unwrap();
        assert_eq!((seen.restart, seen.mem_limit), (Restart::Always, Limit::At(7)));
        assert_eq!(seen.nano_cpus, Limit::Never);
        let policy = json!({ "Name": "on-failure", "MaximumRetryCount": 3 });
        assert_eq!(of(&[("/HostConfig/RestartPolicy", policy)]).unwrap().restart, Restart::OnFailure(3));
        assert_eq!(of(&[("/HostConfig/RestartPolicy/Name", json!("sometimes"))]), None);
        let memory = |bytes: i64| of(&[("/HostConfig/Memory", json!(bytes))]).unwrap().mem_limit;
        assert_eq!(memory(0), Limit::Never);
        assert!(matches!(memory(MORE_THAN_ANY_MACHINE), Limit::All(_)));
        assert!(matches!(memory(-1), Limit::All(_)));
    }

    #[test]
    fn every_state() {
        let of = |status: &str, code: i64| {
            described(&[("/State/Status", json!(status)), ("/State/ExitCode", json!(code))]).seen.state
        };
        assert_eq!(of("created", 0), ContainerState::Created);
        assert_eq!(of("running", 0), ContainerState::Running);
        assert_eq!(of("paused", 0), ContainerState::Paused);
        assert_eq!(of("restarting", 1), ContainerState::Restarting);
        assert_eq!(of("exited", 137), ContainerState::Exited(137));
        assert_eq!(of("removing", 0), ContainerState::Gone);
        assert_eq!(of("dead", 0), ContainerState::Gone);
    }

    #[test]
    fn a_stopped_container_holds_no_port_and_one_between_two_tries_does() {
        assert!(described(&[("/State/Status", json!("exited"))]).seen.ports.is_empty());
        let trying =
            described(&[("/State/Status", json!("restarting")), ("/NetworkSettings/Ports", json!({}))]);
        assert_eq!(trying.seen.ports.len(), 1);
    }

    #[test]
    fn a_fixed_address_and_udp_stay_apart() {
        let ports = json!({ "53/udp": [{ "HostIp": "127.0.9.1", "HostPort": "53" }], "53/tcp": [{ "HostIp": "127.0.9.1", "HostPort": "53" }] });
        let seen = described(&[("/NetworkSettings/Ports", ports)]).seen;
        assert_eq!(seen.ports.len(), 2);
        assert!(seen.ports.iter().all(|port| port.host_ip.as_deref() == Some("127.0.9.1")));
    }

    #[test]
    fn health_and_when_it_is_decided() {
        let state = json!({ "Status": "running", "StartedAt": "0001-01-01T00:00:00Z", "Health": { "Status": "unhealthy" } });
        let config = json!({ "Labels": null, "Healthcheck": { "Test": ["CMD", "x"], "Interval": 1_000_000_000u64, "Timeout": 2_000_000_000u64, "Retries": 2, "StartPeriod": 4_000_000_000u64 } });
        let detail = described(&[("/State", state), ("/Config", config)]);
        assert_eq!(detail.seen.health, Some(Health::Unhealthy));
        assert_eq!(detail.health_deadline, Some(Duration::from_secs(10)));
        assert_eq!(detail.seen.started, None);
        assert_eq!(detail.grace, Duration::from_secs(10));
    }
}

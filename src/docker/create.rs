//! From a plan's settings to the engine's words for a new container, with Compose's meaning for every
//! key (<https://github.com/compose-spec/compose-spec/blob/main/05-services.md>,
//! `POST /containers/create` of the Engine API).

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::engine::{Engine, EngineError};
use crate::explain::Explain;
use crate::id::Platform;
use crate::plan::names::{self, label};
use crate::plan::paths::resolve;
use crate::plan::settings::{Env, Settings};
use crate::spec::{Healthcheck, Port, Restart, Volume, VolumeSource};

/// A container to be.
#[derive(Clone, Debug)]
pub struct NewContainer {
    /// The deployment; names its volumes and marks them.
    pub deployment: String,
    /// Everything but the image. Bind paths are absolute (see [`absolute_binds`]).
    pub settings: Settings,
    /// The values of the environment that the settings hold only by reference, by name.
    pub environment: BTreeMap<String, SecretString>,
    /// `repo@sha256:…`, or an image id. It is in the engine already.
    pub image: String,
    /// What the image is for; the engine refuses another. `None` leaves it to the engine.
    pub platform: Option<Platform>,
    /// a3's labels, full mark included (`dev.a3.self`, …).
    pub labels: BTreeMap<String, String>,
}

/// An environment variable whose value nobody handed in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no value for the environment variable {0}")]
pub struct NoValue(pub String);

impl Explain for NoValue {
    fn help(&self) -> Option<String> {
        Some(format!("see where `environment.{}` takes its value from", self.0))
    }
}

/// The settings with every bind path made absolute: relative to `base`, `~` is `home`.
pub fn absolute_binds(settings: &Settings, base: &str, home: &str) -> Settings {
    let mut settings = settings.clone();
    for volume in &mut settings.volumes {
        if let VolumeSource::Bind(path) = &mut volume.source {
            *path = resolve(path, base, home);
        }
    }
    settings
}

impl NewContainer {
    /// The body of the engine's create call. `inherited` are volumes of the container that this one
    /// replaces: engine's name by mount point.
    ///
    /// # Errors
    /// [`NoValue`] for a secret that was not handed in.
    pub(crate) fn body(&self, inherited: &BTreeMap<String, String>) -> Result<Value, NoValue> {
        let settings = &self.settings;
        let labels: BTreeMap<&String, &String> = settings.labels.iter().chain(&self.labels).collect();
        let mut body = Body::default();
        body.set("Image", json!(self.image));
        body.set("Env", json!(self.env()?));
        body.set("Labels", json!(labels));
        body.set("StopTimeout", json!(settings.stop_grace_period));
        // Left out is the image's; an empty entry point is none.
        body.set("Cmd", json!(settings.command));
        body.set("Entrypoint", json!(settings.entrypoint));
        body.set("User", json!(settings.user));
        body.set("WorkingDir", json!(settings.working_dir));
        body.set("Hostname", json!(settings.hostname));
        body.set("Healthcheck", settings.healthcheck.as_ref().map_or(Value::Null, healthcheck));
        let exposed: BTreeMap<String, Value> =
            settings.ports.iter().map(|port| (port_key(port), json!({}))).collect();
        body.set("ExposedPorts", json!(exposed));
        body.set("HostConfig", self.host_config(inherited));
        let endpoint = json!({ "Aliases": [settings.alias] });
        body.set("NetworkingConfig", json!({ "EndpointsConfig": { &settings.network: endpoint } }));
        Ok(body.into())
    }

    /// `NAME=value`, the secrets too.
    fn env(&self) -> Result<Vec<String>, NoValue> {
        let pairs = self.settings.environment.iter().map(|(name, value)| match value {
            Env::Plain(text) => Ok(format!("{name}={text}")),
            // To the engine, a name alone takes away what the image sets.
            Env::Unset => Ok(name.clone()),
            Env::Secret(_) | Env::Resolved => match self.environment.get(name) {
                Some(secret) => Ok(format!("{name}={}", secret.expose_secret())),
                None => Err(NoValue(name.clone())),
            },
        });
        pairs.collect()
    }

    fn host_config(&self, inherited: &BTreeMap<String, String>) -> Value {
        let settings = &self.settings;
        let in_place = &settings.in_place;
        let mut host = Body::default();
        host.set("NetworkMode", json!(settings.network));
        host.set("PortBindings", port_bindings(&settings.ports));
        host.set("RestartPolicy", restart_policy(in_place.restart));
        host.set("AutoRemove", json!(settings.auto_remove));
        host.set("Memory", json!(in_place.mem_limit));
        host.set("NanoCpus", json!(in_place.nano_cpus));
        host.set("ReadonlyRootfs", json!(settings.read_only));
        host.set("CapAdd", list(&settings.cap_add));
        host.set("CapDrop", list(&settings.cap_drop));
        host.set("ExtraHosts", list(&settings.extra_hosts));
        host.set("ShmSize", json!(settings.shm_size));
        host.set("Init", json!(settings.init));
        host.set("Tmpfs", tmpfs(&settings.tmpfs));
        if let Some(logging) = &settings.logging {
            let driver = logging.driver.as_deref().unwrap_or_default();
            host.set("LogConfig", json!({ "Type": driver, "Config": logging.options }));
        }
        let ulimits = settings.ulimits.iter();
        let ulimits: Vec<Value> = ulimits
            .map(|(name, limit)| json!({ "Name": name, "Soft": limit.soft, "Hard": limit.hard }))
            .collect();
        host.set("Ulimits", list(&ulimits));
        let (binds, mounts) = self.mounts(inherited);
        host.set("Binds", list(&binds));
        host.set("Mounts", list(&mounts));
        host.into()
    }

    /// Binds in the form of `docker run -v`, since only that makes a missing folder on every engine;
    /// everything else as mounts, which can carry labels.
    fn mounts(&self, inherited: &BTreeMap<String, String>) -> (Vec<String>, Vec<Value>) {
        let mut binds = Vec::new();
        let mut mounts = Vec::new();
        for Volume { source, target, read_only } in &self.settings.volumes {
            let mut mount = json!({ "Target": target, "ReadOnly": read_only });
            match source {
                VolumeSource::Bind(path) if path.contains(':') || target.contains(':') => {
                    mount["Type"] = json!("bind");
                    mount["Source"] = json!(path);
                }
                VolumeSource::Bind(path) => {
                    let mode = if *read_only { ":ro" } else { "" };
                    binds.push(format!("{path}:{target}{mode}"));
                    continue;
                }
                VolumeSource::Named(name) => {
                    mount["Type"] = json!("volume");
                    mount["Source"] = json!(names::volume(&self.deployment, name));
                    mount["VolumeOptions"] = json!({ "Labels": { label::DEPLOYMENT: self.deployment } });
                }
                VolumeSource::Anonymous => {
                    mount["Type"] = json!("volume");
                    if let Some(name) = inherited.get(target) {
                        mount["Source"] = json!(name);
                    }
                }
            }
            mounts.push(mount);
        }
        let named = |target: &String| {
            self.settings.volumes.iter().any(|volume| volume.target == *target)
                || self.settings.tmpfs.iter().any(|entry| split_tmpfs(entry).0 == target)
        };
        // Those that the image declares (VOLUME): their data goes over to the new container.
        let of_image = inherited.iter().filter(|(target, _)| !named(target));
        mounts.extend(
            of_image.map(|(target, name)| json!({ "Type": "volume", "Source": name, "Target": target })),
        );
        (binds, mounts)
    }
}

/// A JSON object in which "not set" leaves no key.
#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn set(&mut self, key: &str, value: Value) {
        if !value.is_null() {
            self.0.insert(key.to_owned(), value);
        }
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Self {
        Self::Object(body.0)
    }
}

fn list<T: serde::Serialize>(items: &[T]) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}

fn port_key(port: &Port) -> String {
    format!("{}/{}", port.target, port.protocol.as_str())
}

/// No published port is an empty one: the engine picks it.
fn port_bindings(ports: &[Port]) -> Value {
    let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in ports {
        let published = port.published.map(|number| number.to_string()).unwrap_or_default();
        let host_ip = port.host_ip.as_deref().unwrap_or_default();
        let binding = json!({ "HostIp": host_ip, "HostPort": published });
        bindings.entry(port_key(port)).or_default().push(binding);
    }
    json!(bindings)
}

/// `/run` or `/run:size=64m`.
fn split_tmpfs(entry: &str) -> (&str, &str) {
    entry.split_once(':').unwrap_or((entry, ""))
}

fn tmpfs(entries: &[String]) -> Value {
    let all: BTreeMap<&str, &str> = entries.iter().map(|entry| split_tmpfs(entry)).collect();
    if all.is_empty() { Value::Null } else { json!(all) }
}

/// Times are nanoseconds; what is left out is the image's.
fn healthcheck(check: &Healthcheck) -> Value {
    let nanos = |time: Option<Duration>| {
        time.map_or(Value::Null, |time| json!(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    };
    let mut body = Body::default();
    body.set("Test", list(&check.test));
    body.set("Interval", nanos(check.interval));
    body.set("Timeout", nanos(check.timeout));
    body.set("Retries", json!(check.retries));
    body.set("StartPeriod", nanos(check.start_period));
    body.into()
}

/// The engine's form of a restart policy.
pub(super) fn restart_policy(restart: Restart) -> Value {
    match restart {
        Restart::No => json!({ "Name": "no" }),
        Restart::Always => json!({ "Name": "always" }),
        Restart::UnlessStopped => json!({ "Name": "unless-stopped" }),
        Restart::OnFailure(most) => json!({ "Name": "on-failure", "MaximumRetryCount": most }),
    }
}

impl Engine {
    /// Creates a container and gives its id.
    pub(super) async fn create_container(
        &self,
        name: &str,
        platform: Option<Platform>,
        body: &Value,
    ) -> Result<String, EngineError> {
        #[derive(serde::Deserialize)]
        struct Created {
            #[serde(rename = "Id")]
            id: String,
        }
        let platform = platform.map(|platform| format!("&platform={platform}")).unwrap_or_default();
        let call = Call::post(format!("/containers/create?name={name}{platform}")).json(body);
        let created: Created = self.ask(&format!("create {name}"), call).await?;
        Ok(created.id)
    }
}

/// The body that makes a container again as it is described by the engine, with the image that its
/// label pins. For containers that remove themselves when they stop: this is the only way back.
pub(super) fn body_again(described: &Value) -> Option<Value> {
    let mut body = described.get("Config")?.as_object()?.clone();
    let id = described.get("Id")?.as_str()?;
    let made_up = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty() && id.starts_with(text));
    // The engine filled these in from the old id.
    if body.get("Hostname").is_some_and(made_up) {
        body.remove("Hostname");
    }
    if let Some(image) = body.get("Labels").and_then(|labels| labels.get(label::IMAGE)).cloned() {
        body.insert("Image".into(), image);
    }
    body.insert("HostConfig".into(), described.get("HostConfig")?.clone());
    let networks = described.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let endpoints = networks.into_iter().flatten().map(|(network, endpoint)| {
        let aliases = endpoint.get("Aliases").and_then(Value::as_array);
        let aliases: Vec<&Value> = aliases.into_iter().flatten().filter(|alias| !made_up(alias)).collect();
        (network.clone(), json!({ "Aliases": aliases }))
    });
    let endpoints: Map<String, Value> = endpoints.collect();
    body.insert("NetworkingConfig".into(), json!({ "EndpointsConfig": endpoints }));
    Some(Value::Object(body))
}

#[cfg(test)]
pub(super) mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::record::InPlace;
    use crate::spec::{Logging, Protocol, SecretSource, Ulimit};

    pub(in crate::docker) fn bare() -> NewContainer {
        let settings = Settings {
            name: "s2".into(),
            network: "d_default".into(),
            alias: "s2".into(),
            command: None,
            entrypoint: None,
            environment: BTreeMap::new(),
            user: None,
            working_dir: None,
            labels: BTreeMap::new(),
            hostname: None,
            healthcheck: None,
            stop_grace_period: 10,
            read_only: false,
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            logging: None,
            ulimits: BTreeMap::new(),
            tmpfs: Vec::new(),
            shm_size: None,
            init: None,
            extra_hosts: Vec::new(),
            auto_remove: false,
            ports: Vec::new(),
            volumes: Vec::new(),
            in_place: InPlace::default(),
        };
        NewContainer {
            deployment: "d".into(),
            settings,
            environment: BTreeMap::new(),
            image: "r/s2@sha256:00".into(),
            platform: None,
            labels: [(label::SERVICE.to_owned(), "s2".to_owned())].into(),
        }
    }

    fn body(change: impl FnOnce(&mut NewContainer)) -> Value {
        let mut new = bare();
        change(&mut new);
        new.body(&BTreeMap::new()).unwrap()
    }

    #[test]
    fn what_is_not_said_stays_the_images_or_the_engines() {
        let expected = json!({
            "Image": "r/s2@sha256:00", "Env": [], "Labels": { "dev.a3.service": "s2" }, "StopTimeout": 10,
            "ExposedPorts": {},
            "HostConfig": {
                "NetworkMode": "d_default", "PortBindings": {}, "RestartPolicy": { "Name": "no" },
                "AutoRemove": false, "ReadonlyRootfs": false
            },
            "NetworkingConfig": { "EndpointsConfig": { "d_default": { "Aliases": ["s2"] } } }
        });
        assert_eq!(body(|_| {}), expected);
    }

    #[test]
    fn every_key_of_the_container() {
        let made = body(|new| {
            let settings = &mut new.settings;
            settings.command = Some(vec!["python".into(), "app.py".into()]);
            settings.entrypoint = Some(Vec::new());
            settings.user = Some("1000:1000".into());
            settings.working_dir = Some("/srv".into());
            settings.hostname = Some("music".into());
            settings.labels = [("team".to_owned(), "x".to_owned())].into();
            settings.stop_grace_period = 90;
            settings.healthcheck = Some(Healthcheck {
                test: vec!["CMD".into(), "true".into()],
                interval: Some(Duration::from_secs(5)),
                timeout: None,
                retries: Some(2),
                start_period: Some(Duration::from_millis(1)),
            });
        });
        assert_eq!(made["Cmd"], json!(["python", "app.py"]));
        assert_eq!(made["Entrypoint"], json!([]));
        assert_eq!(made["User"], "1000:1000");
        assert_eq!(made["WorkingDir"], "/srv");
        assert_eq!(made["Hostname"], "music");
        assert_eq!(made["Labels"], json!({ "team": "x", "dev.a3.service": "s2" }));
        assert_eq!(made["StopTimeout"], 90);
        let health = json!({ "Test": ["CMD", "true"], "Interval": 5_000_000_000u64, "Retries": 2, "StartPeriod": 1_000_000 });
        assert_eq!(made["Healthcheck"], health);
    }

    #[test]
    fn every_key_of_the_host() {
        let made = body(|new| {
            let settings = &mut new.settings;
            settings.read_only = true;
            settings.cap_add = vec!["NET_ADMIN".into()];
            settings.cap_drop = vec!["ALL".into()];
            let options = IndexMap::from([("max-size".to_owned(), "1m".to_owned())]);
            settings.logging = Some(Logging { driver: Some("local".into()), options });
            settings.ulimits = [("nofile".to_owned(), Ulimit { soft: 10, hard: 20 })].into();
            settings.tmpfs = vec!["/run".into(), "/tmp:size=64m,mode=1777".into()];
            settings.shm_size = Some(1 << 20);
            settings.init = Some(true);
            settings.extra_hosts = vec!["db:10.0.0.1".into()];
            settings.auto_remove = true;
            settings.in_place = InPlace {
                restart: Restart::OnFailure(3),
                mem_limit: Some(64 << 20),
                nano_cpus: Some(500_000_000),
            };
        });
        let expected = json!({
            "NetworkMode": "d_default", "PortBindings": {},
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
            "AutoRemove": true, "Memory": 67_108_864, "NanoCpus": 500_000_000, "ReadonlyRootfs": true,
            "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"], "ExtraHosts": ["db:10.0.0.1"],
            "ShmSize": 1_048_576, "Init": true, "Tmpfs": { "/run": "", "/tmp": "size=64m,mode=1777" },
            "LogConfig": { "Type": "local", "Config": { "max-size": "1m" } },
            "Ulimits": [{ "Name": "nofile", "Soft": 10, "Hard": 20 }]
        });
        assert_eq!(made["HostConfig"], expected);
    }

    #[test]
    fn ports_with_address_udp_and_unpublished() {
        let port = |host_ip: Option<&str>, published, target, protocol| Port {
            host_ip: host_ip.map(Into::into),
            published,
            target,
            protocol,
        };
        let made = body(|new| {
            new.settings.ports = vec![
                port(None, Some(8080), 80, Protocol::Tcp),
                port(Some("127.0.0.1"), Some(8081), 80, Protocol::Tcp),
                port(None, Some(53), 53, Protocol::Udp),
                port(None, None, 9, Protocol::Tcp),
            ];
        });
        let bindings = json!({
            "53/udp": [{ "HostIp": "", "HostPort": "53" }],
            "80/tcp": [{ "HostIp": "", "HostPort": "8080" }, { "HostIp": "127.0.0.1", "HostPort": "8081" }],
            "9/tcp": [{ "HostIp": "", "HostPort": "" }]
        });
        assert_eq!(made["HostConfig"]["PortBindings"], bindings);
        assert_eq!(made["ExposedPorts"], json!({ "53/udp": {}, "80/tcp": {}, "9/tcp": {} }));
    }

    fn volume(source: VolumeSource, target: &str, read_only: bool) -> Volume {
        Volume { source, target: target.into(), read_only }
    }

    #[test]
    fn volumes_of_every_kind() {
        let made = body(|new| {
            new.settings.volumes = vec![
                volume(VolumeSource::Bind("/srv/music".into()), "/data", true),
                volume(VolumeSource::Bind("/srv/a:b".into()), "/colon", false),
                volume(VolumeSource::Named("db".into()), "/db", false),
                volume(VolumeSource::Anonymous, "/cache", false),
            ];
        });
        assert_eq!(made["HostConfig"]["Binds"], json!(["/srv/music:/data:ro"]));
        let mounts = json!([
            { "Target": "/colon", "ReadOnly": false, "Type": "bind", "Source": "/srv/a:b" },
            { "Target": "/db", "ReadOnly": false, "Type": "volume", "Source": "d_db",
              "VolumeOptions": { "Labels": { "dev.a3.deployment": "d" } } },
            { "Target": "/cache", "ReadOnly": false, "Type": "volume" }
        ]);
        assert_eq!(made["HostConfig"]["Mounts"], mounts);
    }

    #[test]
    fn volumes_without_a_name_go_over_to_the_new_container() {
        let mut new = bare();
        new.settings.volumes = vec![
            volume(VolumeSource::Anonymous, "/cache", false),
            volume(VolumeSource::Named("db".into()), "/db", false),
        ];
        new.settings.tmpfs = vec!["/run:size=1m".into()];
        let inherited = ["/cache", "/db", "/run", "/image"].map(|at| (at.to_owned(), format!("v{at}")));
        let made = new.body(&inherited.into()).unwrap();
        let mounts = made["HostConfig"]["Mounts"].as_array().unwrap();
        let sources: Vec<_> = mounts.iter().map(|mount| (&mount["Target"], &mount["Source"])).collect();
        let expected = [
            (json!("/cache"), json!("v/cache")),
            (json!("/db"), json!("d_db")),
            (json!("/image"), json!("v/image")),
        ];
        assert_eq!(sources, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    }

    #[test]
    fn secrets_are_filled_in_and_a_missing_one_is_named() {
        let mut new = bare();
        new.settings.environment = [
            ("A".to_owned(), Env::Plain("1".into())),
            ("B".to_owned(), Env::Secret(SecretSource::Env("X".into()))),
            ("C".to_owned(), Env::Resolved),
        ]
        .into();
        assert_eq!(new.body(&BTreeMap::new()), Err(NoValue("B".into())));
        new.environment = [("B", "b=2"), ("C", "c")].map(|(k, v)| (k.to_owned(), v.into())).into();
        assert_eq!(new.body(&BTreeMap::new()).unwrap()["Env"], json!(["A=1", "B=b=2", "C=c"]));
        assert!(!format!("{new:?}").contains("b=2"));
    }

    #[test]
    fn every_restart_policy() {
        assert_eq!(restart_policy(Restart::No)["Name"], "no");
        assert_eq!(restart_policy(Restart::Always)["Name"], "always");
        assert_eq!(restart_policy(Restart::UnlessStopped)["Name"], "unless-stopped");
        let endless = json!({ "Name": "on-failure", "MaximumRetryCount": 0 });
        assert_eq!(restart_policy(Restart::OnFailure(0)), endless);
    }

    #[test]
    fn binds_become_absolute() {
        let mut settings = bare().settings;
        settings.volumes = vec![
            volume(VolumeSource::Bind("./music".into()), "/a", false),
            volume(VolumeSource::Bind("~/x".into()), "/b", false),
            volume(VolumeSource::Named("music".into()), "/c", false),
        ];
        let sources = absolute_binds(&settings, "/base", "/home/u").volumes.into_iter().map(|v| v.source);
        let expected = [
            VolumeSource::Bind("/base/music".into()),
            VolumeSource::Bind("/home/u/x".into()),
            VolumeSource::Named("music".into()),
        ];
        assert_eq!(sources.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_container_is_made_again_without_what_its_id_left_behind() {
        let described = json!({
            "Id": "abcdef0123456789", "Image": "sha256:11",
            "Config": { "Hostname": "abcdef012345", "Env": ["A=1"], "Image": "name:latest", "Labels": { "dev.a3.image": "r@sha256:22" } },
            "HostConfig": { "AutoRemove": true },
            "NetworkSettings": { "Networks": { "d_default": { "Aliases": ["s2", "abcdef012345"], "IPAddress": "1.2.3.4" } } }
        });
        let expected = json!({
            "Env": ["A=1"], "Image": "r@sha256:22", "Labels": { "dev.a3.image": "r@sha256:22" },
            "HostConfig": { "AutoRemove": true },
            "NetworkingConfig": { "EndpointsConfig": { "d_default": { "Aliases": ["s2"] } } }
        });
        assert_eq!(body_again(&described), Some(expected));
    }
}

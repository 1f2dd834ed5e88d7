//! Containers of an engine: looked at, started, stopped, changed in place, removed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Call, if_there};
use super::create::restart_policy;
use super::engine::{Engine, EngineError};
use super::inspect::Inspected;
use crate::observed::ContainerSeen;
use crate::record::InPlace;
use crate::wait::{self, Found, Pace, WaitError};

/// How many containers are asked for at once; ssh multiplexes them on one connection.
const AT_ONCE: usize = 16;

/// Bytes: how an engine that cannot take a memory limit away is told that there is none.
const MORE_THAN_ANY_MACHINE: i64 = 1 << 50;

/// A container, with more than a plan needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerDetail {
    /// What a plan needs.
    pub seen: ContainerSeen,
    /// Seconds since 1970.
    pub created: u64,
    /// How often its restart policy has started it again.
    pub restart_count: u64,
    /// Why it could not be started, in the engine's words; empty if it could.
    pub error: String,
    /// How its process ended last; 0 before it ever did.
    pub exit_code: i64,
    /// Whether the kernel killed a process of it for memory.
    pub oom_killed: bool,
    /// Seconds since 1970 of its process's last end.
    pub finished: Option<u64>,
    /// Whether its output is a terminal's.
    pub tty: bool,
    /// `docker run --rm`.
    pub auto_remove: bool,
    /// The engine's name of its restart policy: `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart: String,
    /// How often `on-failure` starts it again; 0 is no limit.
    pub restart_limit: u64,
    /// Bytes; 0 is no limit.
    pub memory: i64,
    /// Billionths of a processor; 0 is no limit.
    pub nano_cpus: i64,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Its own IPv4 address while it runs; reachable from its machine.
    pub address: Option<String>,
    /// Volumes without a name of their own: engine's name by mount point.
    pub anonymous_volumes: BTreeMap<String, String>,
    /// After so long HEALTHCHECK has decided; `None` without one.
    pub health_deadline: Option<Duration>,
}

impl ContainerDetail {
    /// Whether the engine starts it again by itself when it ends with this code.
    pub fn starts_again(&self, code: i64) -> bool {
        match self.restart.as_str() {
            "" | "no" => false,
            "on-failure" => {
                let tries_left = self.restart_limit == 0 || self.restart_count < self.restart_limit;
                code != 0 && tries_left
            }
            _ => true,
        }
    }

    /// Whether its process runs, or will in a moment.
    pub fn is_up(&self) -> bool {
        self.seen.state.is_up()
    }

    /// Number of the release that made it, 0 where its label does not say.
    pub fn release(&self) -> u64 {
        let label = self.seen.labels.get(crate::plan::names::label::RELEASE);
        label.and_then(|release| release.parse().ok()).unwrap_or(0)
    }
}

#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
}

impl Engine {
    /// All containers, stopped ones too, ours and others.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn containers(&self) -> Result<Vec<ContainerSeen>, EngineError> {
        Ok(self.container_details().await?.into_iter().map(|detail| detail.seen).collect())
    }

    /// All containers with everything that `a3 status` shows, by name.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn container_details(&self) -> Result<Vec<ContainerDetail>, EngineError> {
        let listed: Vec<Listed> = self.ask("list containers", Call::get("/containers/json?all=1")).await?;
        let asked = stream::iter(listed).map(|listed| async move { self.container(&listed.id).await });
        // One that ended and removed itself in between is no longer there.
        let found: Vec<Option<ContainerDetail>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut found: Vec<ContainerDetail> = found.into_iter().flatten().collect();
        found.sort_by(|a, b| a.seen.name.cmp(&b.seen.name));
        Ok(found)
    }

    /// One container by name or id; `None` if there is none.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn container(&self, name: &str) -> Result<Option<ContainerDetail>, EngineError> {
        let answer = self.ask::<Inspected>(&format!("inspect {name}"), inspect(name)).await;
        Ok(if_there(answer)?.map(Inspected::into_detail))
    }

    /// Everything that the engine says of a container: its `Config` holds secrets.
    pub(super) async fn described(&self, name: &str) -> Result<Option<Value>, EngineError> {
        if_there(self.ask(&format!("inspect {name}"), inspect(name)).await)
    }

    /// Starts a container.
    ///
    /// Assumes that it exists. Guarantees that the engine has started its process, not that it stays
    /// up (see `prove`). Safe to repeat: one that runs is left alone.
    ///
    /// # Errors
    /// Unreachable, broken; refused with the runtime's text (a port taken, a command not found).
    pub async fn start_container(&self, name: &str) -> Result<(), EngineError> {
        self.order(&format!("start {name}"), Call::post(format!("/containers/{name}/start"))).await
    }

    /// Lets a paused container go on.
    ///
    /// # Errors
    /// Unreachable, broken, refused (it is not paused).
    pub async fn unpause_container(&self, name: &str) -> Result<(), EngineError> {
        self.order(&format!("unpause {name}"), Call::post(format!("/containers/{name}/unpause"))).await
    }

    /// Stops a container: SIGTERM (or its own stop signal), after `grace` SIGKILL.
    ///
    /// Guarantees that it does not run; with `auto_remove` it is removed soon after. Safe to repeat:
    /// one that is stopped, or not there, is fine.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn stop_container(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        let call = Call::post(format!("/containers/{name}/stop?t={}", grace.as_secs())).and(grace);
        if_there(self.order(&format!("stop {name}"), call).await).map(drop)
    }

    /// Stops a container as [`Engine::stop_container`] does and starts it again.
    ///
    /// Assumes that it exists. Safe to repeat after a crash: it restarts once more.
    ///
    /// # Errors
    /// Unreachable, broken, refused; then it may be stopped.
    pub async fn restart_container(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        let call = Call::post(format!("/containers/{name}/restart?t={}", grace.as_secs())).and(grace);
        self.order(&format!("restart {name}"), call).await
    }

    /// Stops a container and removes it with its anonymous volumes; named ones stay.
    ///
    /// Assumes that the caller knows it to be ours. Guarantees that the name is free afterwards. Safe
    /// to repeat after a crash anywhere: absent is fine.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn remove_container(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        let Some(detail) = self.container(name).await? else { return Ok(()) };
        self.stop_container(&detail.seen.id, grace).await?;
        self.delete_container(&detail.seen.id, true).await?;
        for volume in detail.anonymous_volumes.values() {
            self.remove_volume(volume).await?;
        }
        Ok(())
    }

    /// Removes a container, running or not, and waits until it is gone; with `volumes` those without a
    /// name too.
    pub(super) async fn delete_container(&self, id: &str, volumes: bool) -> Result<(), EngineError> {
        let call = Call::delete(format!("/containers/{id}?v={}&force=1", u8::from(volumes)));
        match self.order(&format!("remove {id}"), call).await {
            // 409: its own `auto_remove` is at it (moby `daemon/delete.go`).
            Err(error) if error.is_absent() || error.status() == Some(409) => {}
            other => other?,
        }
        self.gone(id).await
    }

    /// Waits until a container is gone: one that removes itself takes a moment.
    async fn gone(&self, id: &str) -> Result<(), EngineError> {
        let pace = Pace { deadline: Duration::from_secs(30), interval: Duration::from_millis(50) };
        let on = format!("the removal of {id}");
        let ask = || async {
            Ok(match self.container(id).await? {
                None => Found::Ready(()),
                Some(_) => Found::NotYet("still there".into()),
            })
        };
        wait::until(&on, pace, &|_| {}, ask).await.map_err(|error| match error {
            WaitError::Ended(error) => error,
            late @ WaitError::TimedOut { .. } => EngineError::Broken {
                engine: self.name(),
                doing: format!("remove {id}"),
                source: Box::new(late),
            },
        })
    }

    pub(super) async fn rename_container(&self, id: &str, to: &str) -> Result<(), EngineError> {
        let call = Call::post(format!("/containers/{id}/rename?name={to}"));
        self.order(&format!("rename a container to {to}"), call).await
    }

    /// Changes what can be changed without a new container, as `docker update` does.
    ///
    /// Assumes that it exists. Guarantees restart policy, memory and processors as given, whatever
    /// they were. Safe to repeat after a crash anywhere.
    ///
    /// # Errors
    /// Unreachable, broken; refused, for instance for a limit below the engine's minimum.
    pub async fn update_container(&self, name: &str, settings: &InPlace) -> Result<(), EngineError> {
        let doing = format!("update {name}");
        let found = self.container(name).await?;
        let (memory, nano_cpus) = found.map_or((0, 0), |detail| (detail.memory, detail.nano_cpus));
        let mut body = Map::new();
        body.insert("RestartPolicy".into(), restart_policy(settings.restart));
        match settings.mem_limit {
            // Swap as the engine gives it to a new container with this limit.
            Some(limit) => {
                body.insert("Memory".into(), json!(limit));
                body.insert("MemorySwap".into(), json!(limit.saturating_mul(2)));
            }
            // 0 would mean "leave it", and less is refused.
            None if memory > 0 => {
                body.insert("Memory".into(), json!(MORE_THAN_ANY_MACHINE));
                body.insert("MemorySwap".into(), json!(MORE_THAN_ANY_MACHINE));
            }
            None => {}
        }
        match settings.nano_cpus {
            Some(nano_cpus) => drop(body.insert("NanoCpus".into(), json!(nano_cpus))),
            // The engine takes 0 for "leave it" and refuses less: all processors is no limit.
            None if nano_cpus > 0 => {
                drop(body.insert("NanoCpus".into(), json!(self.processors().await? * 1_000_000_000)));
            }
            None => {}
        }
        let call = Call::post(format!("/containers/{name}/update")).json(&Value::Object(body));
        self.order(&doing, call).await
    }

    async fn processors(&self) -> Result<i64, EngineError> {
        #[derive(Deserialize)]
        struct Info {
            #[serde(rename = "NCPU")]
            processors: i64,
        }
        let info: Info = self.ask("ask for its processors", Call::get("/info")).await?;
        Ok(info.processors)
    }
}

fn inspect(name: &str) -> Call {
    Call::get(format!("/containers/{name}/json"))
}

//! A service as a release remembers it: the inverse of [`Settings::of`].

use std::time::Duration;

use indexmap::IndexMap;

use super::RollbackError;
use crate::id::Slot;
use crate::plan::settings::{Env, Settings};
use crate::record::ReleasedService;
use crate::spec::{EnvValue, Service};

/// Whether two machines ran the same. Configuration hashes are of each machine's own key, so they cannot be
/// compared.
pub(super) fn same(one: &ReleasedService, other: &ReleasedService) -> bool {
    one.image == other.image && one.settings == other.settings
}

pub(super) struct Was<'a> {
    pub(super) name: &'a str,
    /// The machine that remembers it.
    pub(super) slot: &'a Slot,
    /// The release.
    pub(super) to: u64,
    pub(super) released: &'a ReleasedService,
    /// As the file has it.
    pub(super) now: Option<&'a Service>,
    /// Whether it goes back; else it is only there for the others.
    pub(super) wanted: bool,
}

impl Was<'_> {
    /// What is no setting of a container is as the file has it now.
    pub(super) fn service(&self) -> Result<Service, RollbackError> {
        let was: Settings = serde_json::from_value(self.released.settings.clone()).map_err(|error| {
            let (slot, service) = (self.slot.clone(), self.name.to_owned());
            RollbackError::Unreadable { slot, service, to: self.to, source: Box::new(error) }
        })?;
        let environment = self.environment(&was)?;
        let now = self.now;
        Ok(Service {
            name: self.name.to_owned(),
            on: self.slot.group.clone(),
            image: self.released.image.clone(),
            build: None,
            platform: self.released.platform.or_else(|| now.and_then(|now| now.platform)),
            files: Vec::new(),
            volumes: was.volumes,
            ports: was.ports,
            container_name: was.name,
            restart: was.in_place.restart,
            auto_remove: was.auto_remove,
            check: self.released.check.clone(),
            command: was.command,
            entrypoint: was.entrypoint,
            environment,
            user: was.user,
            working_dir: was.working_dir,
            labels: was.labels.into_iter().collect(),
            hostname: was.hostname,
            healthcheck: was.healthcheck,
            depends_on: now.map(|now| now.depends_on.clone()).unwrap_or_default(),
            profiles: now.map(|now| now.profiles.clone()).unwrap_or_default(),
            stop_grace_period: Duration::from_secs(was.stop_grace_period),
            read_only: was.read_only,
            cap_add: was.cap_add,
            cap_drop: was.cap_drop,
            mem_limit: was.in_place.mem_limit,
            nano_cpus: was.in_place.nano_cpus,
            logging: was.logging,
            ulimits: was.ulimits.into_iter().collect(),
            tmpfs: was.tmpfs,
            shm_size: was.shm_size,
            init: was.init,
            extra_hosts: was.extra_hosts,
            parallelism: now.map_or(1, |now| now.parallelism),
            interpolated: self.released.interpolated.clone(),
        })
    }

    fn environment(&self, was: &Settings) -> Result<IndexMap<String, EnvValue>, RollbackError> {
        let mut environment = IndexMap::new();
        for (variable, value) in &was.environment {
            let value = match value {
                Env::Plain(text) => EnvValue::Plain(text.clone()),
                Env::Unset => EnvValue::Unset,
                // What is not asked for is not planned either.
                Env::Secret(_) | Env::Resolved if !self.wanted => continue,
                Env::Secret(source) => EnvValue::Secret(source.clone()),
                Env::Resolved => match self.now.and_then(|now| now.environment.get(variable)) {
                    Some(value @ EnvValue::Resolved(_)) => value.clone(),
                    _ => {
                        let (service, name) = (self.name.to_owned(), variable.clone());
                        return Err(RollbackError::NoValue { to: self.to, service, name });
                    }
                },
            };
            environment.insert(variable.clone(), value);
        }
        Ok(environment)
    }
}

//! The network of a deployment on one machine, and its named volumes.

use serde::Deserialize;
use serde_json::json;

use super::call::{Call, if_there};
use super::engine::{Engine, EngineError};
use crate::plan::names::{self, label};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Labelled {
    #[serde(default)]
    name: String,
    labels: Option<std::collections::BTreeMap<String, String>>,
}

impl Labelled {
    fn belongs_to(&self, deployment: &str) -> bool {
        let labels = self.labels.as_ref();
        labels.and_then(|labels| labels.get(label::DEPLOYMENT)).is_some_and(|owner| owner == deployment)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volumes {
    volumes: Option<Vec<Labelled>>,
}

/// The volumes that have the name of one of a deployment's, `NAME_…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumesSeen {
    /// Those that it made.
    pub own: Vec<String>,
    /// Those that somebody else made.
    pub foreign: Vec<String>,
}

impl Engine {
    /// Makes a deployment's network where it is missing.
    ///
    /// Guarantees that a network of that name exists with the deployment's label. Safe to repeat after
    /// a crash anywhere, and by several at once.
    ///
    /// # Errors
    /// [`EngineError::Foreign`] if another's network has the name; unreachable, broken, refused.
    pub async fn ensure_network(&self, name: &str, deployment: &str) -> Result<(), EngineError> {
        // The engine allows several networks of one name, so that only one may try at a time.
        let _alone = self.networks.lock().await;
        if self.own_network(name, deployment).await? {
            return Ok(());
        }
        let doing = format!("create the network {name}");
        let body = json!({
            "Name": name, "CheckDuplicate": true, "Driver": "bridge",
            "Labels": { label::DEPLOYMENT: deployment }
        });
        match self.order(&doing, Call::post("/networks/create").json(&body)).await {
            Err(error) if error.status() == Some(409) && self.own_network(name, deployment).await? => Ok(()),
            other => other,
        }
    }

    /// Removes a deployment's network.
    ///
    /// Assumes that its containers are gone. Safe to repeat: absent is fine.
    ///
    /// # Errors
    /// [`EngineError::Foreign`] if another's network has the name; refused while something is attached
    /// to it; unreachable, broken.
    pub async fn remove_network(&self, name: &str, deployment: &str) -> Result<(), EngineError> {
        if !self.own_network(name, deployment).await? {
            return Ok(());
        }
        let call = Call::delete(format!("/networks/{name}"));
        if_there(self.order(&format!("remove the network {name}"), call).await).map(drop)
    }

    async fn own_network(&self, name: &str, deployment: &str) -> Result<bool, EngineError> {
        let doing = format!("inspect the network {name}");
        match if_there(self.ask::<Labelled>(&doing, Call::get(format!("/networks/{name}"))).await)? {
            // The engine also finds networks by a prefix of their id.
            Some(found) if found.name == name && found.belongs_to(deployment) => Ok(true),
            Some(found) if found.name == name => {
                Err(EngineError::Foreign { what: "network".into(), name: name.to_owned() })
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Whether a network of that name is there that is not the deployment's.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn has_foreign_network(&self, name: &str, deployment: &str) -> Result<bool, EngineError> {
        match self.own_network(name, deployment).await {
            Ok(_) => Ok(false),
            Err(EngineError::Foreign { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The named volumes that a deployment made, and those that only have such a name.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn volumes(&self, deployment: &str) -> Result<VolumesSeen, EngineError> {
        let listed: Volumes = self.ask("list volumes", Call::get("/volumes")).await?;
        let mut seen = VolumesSeen::default();
        let prefix = names::volume(deployment, "");
        for found in listed.volumes.unwrap_or_default() {
            if found.belongs_to(deployment) {
                seen.own.push(found.name);
            } else if found.name.starts_with(&prefix) {
                seen.foreign.push(found.name);
            }
        }
        seen.own.sort();
        seen.foreign.sort();
        Ok(seen)
    }

    /// Removes a volume with its data.
    ///
    /// Assumes that the caller got its name from [`Engine::volumes`] and a person's yes. Safe to
    /// repeat: absent is fine; one in use is left alone.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        match self.order(&format!("remove the volume {name}"), Call::delete(format!("/volumes/{name}"))).await
        {
            Err(error) if error.is_absent() || error.status() == Some(409) => Ok(()),
            other => other,
        }
    }
}

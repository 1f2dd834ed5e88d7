//! Every deployment of a3, in every region of every account that is at hand.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use indexmap::IndexMap;

use super::{World, clouds, now};
use crate::ec2::{Cloud, CloudError, RegionSeen};
use crate::explain::Explain as _;
use crate::observed::{Cause, CloudSeen, Observed, Scope, Secrets, Seen};
use crate::spec::{Ec2, Machine, Spec};

/// What was found.
#[derive(Debug)]
pub struct Everywhere {
    /// Seconds since 1970.
    pub now: u64,
    /// By account.
    pub accounts: Vec<Account>,
    /// Callers that could not be used.
    pub unreachable: Vec<Cause>,
}

/// One account.
#[derive(Debug)]
pub struct Account {
    /// Twelve digits.
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    /// Its enabled regions, by name.
    pub regions: Vec<Region>,
}

/// One region.
#[derive(Debug)]
pub struct Region {
    /// The caller there.
    pub cloud: Cloud,
    /// What there is.
    pub seen: Result<RegionSeen, Cause>,
}

impl Everywhere {
    /// Looks with the profiles of the spec's groups, or with what the environment says where there are
    /// none.
    ///
    /// # Errors
    /// No caller could be used; the first one's error.
    pub async fn look(spec: Option<&Spec>) -> Result<Self, CloudError> {
        let groups = spec.into_iter().flat_map(|spec| spec.groups.values());
        let mut asked: BTreeMap<Option<&str>, &Ec2> = BTreeMap::new();
        for group in groups {
            if let Machine::Ec2(ec2) = &group.machine {
                asked.entry(ec2.profile.as_deref()).or_insert(ec2);
            }
        }
        let mut callers: Vec<Option<&Ec2>> = asked.into_values().map(Some).collect();
        if callers.is_empty() {
            callers.push(None);
        }
        let mut found = Self { now: now(), accounts: Vec::new(), unreachable: Vec::new() };
        let mut first = None;
        for answer in join_all(callers.into_iter().map(Cloud::connect_anywhere)).await {
            let answer = match answer {
                Ok(cloud) if found.accounts.iter().any(|known| known.account == cloud.account) => continue,
                Ok(cloud) => account(&cloud).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(account) => found.accounts.push(account),
                Err(error) => {
                    found.unreachable.push(error.cause());
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) if found.accounts.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// Whether anything could not be asked.
    pub fn is_partial(&self) -> bool {
        let mut regions = self.accounts.iter().flat_map(|account| &account.regions);
        !self.unreachable.is_empty() || regions.any(|region| region.seen.is_err())
    }

    /// The deployments that have something anywhere.
    pub fn deployments(&self) -> BTreeSet<String> {
        self.accounts.iter().flat_map(Account::deployments).collect()
    }
}

async fn account(cloud: &Cloud) -> Result<Account, CloudError> {
    let seen = cloud.everywhere().await?;
    let regions = seen
        .into_iter()
        .map(|(cloud, seen)| Region { cloud, seen: seen.map_err(|error| error.cause()) })
        .collect();
    Ok(Account { account: cloud.account.clone(), caller: cloud.caller.clone(), regions })
}

impl Account {
    /// The deployments that have something in this account.
    pub fn deployments(&self) -> BTreeSet<String> {
        let seen = self.regions.iter().filter_map(|region| region.seen.as_ref().ok());
        let names = seen.flat_map(|seen| {
            let live = seen.instances.iter().filter(|one| one.state.is_live());
            let instances = live.map(|one| one.deployment().to_owned());
            instances.chain(seen.managed.iter().map(|one| one.deployment.clone()))
        });
        names.collect()
    }

    /// What a plan needs to end one deployment here: its connections, and what there is of it.
    pub fn of(&self, deployment: &str, now: u64) -> (World, Observed) {
        let clouds = self.regions.iter().filter(|region| region.seen.is_ok());
        let name = |cloud: &Cloud| format!("region {}", cloud.region);
        let world = World::of_regions(
            clouds.clone().map(|region| (name(&region.cloud), Ok(region.cloud.clone()))).collect(),
        );
        let seen = clouds.filter_map(|region| Some((&region.cloud, region.seen.as_ref().ok()?)));
        let seen = seen.filter_map(|(cloud, seen)| {
            let instances = seen.instances.iter().filter(|one| one.deployment() == deployment);
            let left = seen.managed.iter().filter(|one| one.deployment == deployment);
            let seen = CloudSeen {
                instances: instances.cloned().collect(),
                left: left.cloned().collect(),
                ..clouds::nothing(&world, cloud)
            };
            let is_empty = seen.instances.is_empty() && seen.left.is_empty();
            (!is_empty).then(|| (name(cloud), Seen::Present(seen)))
        });
        let clouds: IndexMap<String, Seen<CloudSeen>> = seen.collect();
        let regions = clouds.values().filter_map(|seen| Some(seen.present()?.region.clone())).collect();
        let scope = Scope {
            account: Some(self.account.clone()),
            caller: Some(self.caller.clone()),
            regions,
            ..Scope::default()
        };
        let observed = Observed {
            now,
            scope,
            images: Default::default(),
            clouds,
            hosts: Default::default(),
            files: Default::default(),
            missing: Vec::new(),
            built: Seen::Absent,
            unread: BTreeSet::new(),
            secrets: Secrets::default(),
        };
        (world, observed)
    }
}

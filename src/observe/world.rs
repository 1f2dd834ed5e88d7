//! The connections of one run: engines, registries, clouds, machines. Opened once, used by observing
//! and by applying.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::secrets::{Consent, read_secrets};
use crate::docker::Engine;
use crate::ec2::{Cloud, CloudError};
use crate::explain::Explain as _;
use crate::host::Host;
use crate::id::Slot;
use crate::observed::{Cause, Missing, Secrets};
use crate::plan::names;
use crate::record::hint::Hints;
use crate::record::lock::state_folder;
use crate::record::{HostKeyTag, machine_id};
use crate::registry::{Client, Credential, credential_for, credential_from_docker_config, origin};
use crate::spec::{Ec2, Machine, Service, Spec};
use crate::ssh::Keyring;

/// What a run needs of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everything: images, machines, containers.
    Everything,
    /// Machines and what is on them; no image, no secret, no registry.
    Machines,
    /// Images only: the local engine and the registries.
    Images,
    /// What the local engine has of the images; the credentials for private base images.
    LocalImages,
}

/// The connections of one run.
#[derive(Debug)]
pub struct World {
    /// What the run needs.
    pub need: Need,
    /// The local engine.
    pub engine: Result<Engine, Cause>,
    /// By group, those on EC2.
    pub clouds: BTreeMap<String, Result<Cloud, Cause>>,
    /// By `region NAME`: where this machine remembers the deployment and the spec names nothing.
    pub remembered: BTreeMap<String, Result<Cloud, Cause>>,
    /// By server.
    pub registries: BTreeMap<String, Result<Client, Cause>>,
    /// By server.
    pub credentials: BTreeMap<String, Credential>,
    /// Secrets that were read.
    pub secrets: Secrets,
    /// What could not be read here.
    pub missing: Vec<Missing>,
    /// This is another AWS account than the spec allows.
    pub refused: Option<Cause>,
    /// This machine, as its ssh rules name it.
    pub machine_id: String,
    /// What there is to log in with, and the jump hosts that were reached.
    pub keyring: Keyring,
    hosts: Mutex<BTreeMap<Slot, Host>>,
    host_keys: Mutex<BTreeMap<Slot, HostKeyTag>>,
}

impl World {
    /// Opens what can be opened before anything is known of the machines. Failures are kept as
    /// answers; nothing here ends a run.
    pub async fn open(spec: &Spec, need: Need, consent: Consent) -> Self {
        let (secrets, missing) = read_secrets(spec, need, consent).await;
        let ((clouds, refused), (registries, credentials)) =
            futures_util::join!(open_clouds(spec, need), async {
                match need {
                    Need::Machines => Default::default(),
                    _ => open_registries(spec, need, &secrets).await,
                }
            });
        let remembered = match need {
            Need::Everything | Need::Machines => remembered(spec, &clouds).await,
            Need::Images | Need::LocalImages => BTreeMap::new(),
        };
        Self {
            need,
            engine: Engine::local().map_err(|error| error.cause()),
            clouds,
            remembered,
            registries,
            credentials,
            secrets,
            missing,
            refused,
            machine_id: machine_id(),
            keyring: Keyring::of_user(),
            hosts: Mutex::default(),
            host_keys: Mutex::default(),
        }
    }

    /// For work on EC2 only, where no spec says anything: callers by `region NAME`.
    pub fn of_regions(regions: BTreeMap<String, Result<Cloud, Cause>>) -> Self {
        Self {
            need: Need::Machines,
            engine: Engine::local().map_err(|error| error.cause()),
            clouds: BTreeMap::new(),
            remembered: regions,
            registries: BTreeMap::new(),
            credentials: BTreeMap::new(),
            secrets: Secrets::default(),
            missing: Vec::new(),
            refused: None,
            machine_id: machine_id(),
            keyring: Keyring::of_user(),
            hosts: Mutex::default(),
            host_keys: Mutex::default(),
        }
    }

    /// The connection to a machine, once it was made.
    pub fn host(&self, slot: &Slot) -> Option<Host> {
        self.hosts().get(slot).cloned()
    }

    /// Keeps the connection to a machine.
    pub fn keep_host(&self, slot: &Slot, host: Host) {
        self.hosts().insert(slot.clone(), host);
    }

    /// Forgets a machine that ended.
    pub fn forget_host(&self, slot: &Slot) {
        self.hosts().remove(slot);
        drop(self.take_host_key(slot));
    }

    /// Keeps a host key that is not tagged yet, or not as the console's.
    pub(crate) fn keep_host_key(&self, slot: &Slot, tag: HostKeyTag) {
        self.host_keys.lock().unwrap_or_else(PoisonError::into_inner).insert(slot.clone(), tag);
    }

    /// The tag to be written, once, by whoever works on the machine.
    pub(crate) fn take_host_key(&self, slot: &Slot) -> Option<HostKeyTag> {
        self.host_keys.lock().unwrap_or_else(PoisonError::into_inner).remove(slot)
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<Slot, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who this caller on this machine is, for its own ssh rule: the ARN and the machine.
    pub fn caller_id(&self, cloud: &Cloud) -> String {
        format!("{} {}", cloud.caller, self.machine_id)
    }

    /// The credential for the registry of a reference.
    pub fn credential(&self, reference: &str) -> Option<&Credential> {
        self.credentials.get(names::server(reference))
    }
}

/// By group.
type Clouds = BTreeMap<String, Result<Cloud, Cause>>;

/// By group, and why none of it may be used: it is another account's.
async fn open_clouds(spec: &Spec, need: Need) -> (Clouds, Option<Cause>) {
    let only_images = matches!(need, Need::Images | Need::LocalImages);
    if only_images && spec.services.values().all(|service| service.platform.is_some()) {
        return (BTreeMap::new(), None);
    }
    let opened = spec.groups.values().filter_map(|group| match &group.machine {
        Machine::Ec2(ec2) => Some((group.name.clone(), ec2.as_ref())),
        Machine::Host(_) | Machine::Local => None,
    });
    let opened = opened.map(async |(name, ec2): (String, &Ec2)| (name, Cloud::connect(ec2).await));
    let mut refused = None;
    let mut clouds = Clouds::new();
    for (name, cloud) in join_all(opened).await {
        if let Err(error @ CloudError::WrongAccount { .. }) = &cloud {
            refused = Some(error.cause());
        }
        clouds.insert(name, cloud.map_err(|error| error.cause()));
    }
    (clouds, refused)
}

/// The regions that the hint file names and no group is in. Losing the file loses only this look.
async fn remembered(
    spec: &Spec,
    clouds: &BTreeMap<String, Result<Cloud, Cause>>,
) -> BTreeMap<String, Result<Cloud, Cause>> {
    let Ok(folder) = state_folder() else { return BTreeMap::new() };
    let connected: Vec<&Cloud> = clouds.values().filter_map(|cloud| cloud.as_ref().ok()).collect();
    let mut remembered = BTreeMap::new();
    for region in Hints::read(&folder).places(&spec.name).regions {
        if connected.iter().any(|cloud| cloud.region == region) {
            continue;
        }
        let cloud = match connected.first() {
            Some(cloud) => Ok(cloud.in_region(&region)),
            // A group that cannot be connected to says so itself.
            None if !clouds.is_empty() => continue,
            None => Cloud::connect_to(&region).await.map_err(|error| error.cause()),
        };
        remembered.insert(format!("region {region}"), cloud);
    }
    remembered
}

type Registries = (BTreeMap<String, Result<Client, Cause>>, BTreeMap<String, Credential>);

/// A client for every registry that an image of the spec comes from. The credential goes only to
/// the registry that it was given for.
async fn open_registries(spec: &Spec, need: Need, secrets: &Secrets) -> Registries {
    // What is built and run on the local engine has nothing to do with a registry, unless it is pushed.
    let asked = |service: &&Service| {
        let group = spec.groups.get(&service.on).map(|group| &group.machine);
        need == Need::Images || service.build.is_none() || !matches!(group, Some(Machine::Local))
    };
    let asked = |service: &&Service| names::image_id(&service.image).is_none() && asked(service);
    let mut servers: Vec<&str> =
        spec.services.values().filter(asked).map(|service| names::server(&service.image)).collect();
    servers.sort_unstable();
    servers.dedup();
    let mut clients = BTreeMap::new();
    let mut credentials = BTreeMap::new();
    for server in servers {
        let credential = match spec.registries.get(server) {
            Some(registry) => credential_for(registry, secrets).await,
            None => credential_from_docker_config(server).await,
        };
        let credential = match credential {
            Ok(credential) => credential,
            // Without it, the answers would be those that strangers get.
            Err(error) => {
                clients.insert(server.to_owned(), Err(error.cause()));
                continue;
            }
        };
        if let Some(credential) = &credential {
            credentials.insert(server.to_owned(), credential.clone());
        }
        let client = Client::new(server, credential).map(|client| match spec.registries.get(server) {
            Some(registry) => client.credential_from(origin(registry)),
            None => client,
        });
        clients.insert(server.to_owned(), client.map_err(|error| error.cause()));
    }
    (clients, credentials)
}

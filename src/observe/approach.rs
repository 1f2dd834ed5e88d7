//! How a machine is reached: address, user, key, and the host keys it may show.

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use super::World;
use crate::explain::Explain as _;
use crate::host::Host;
use crate::id::Slot;
use crate::observed::{Cause, HostSeen, MachineImage, OwnedInstance};
use crate::record::HostKeyTag;
use crate::spec::{Group, Machine, Spec, SshAddress};
use crate::ssh::{HostKeys, Keyring, Pin, Route, Session, SshError, Target, own_name};

/// Everything that a connection takes.
#[derive(Clone, Debug)]
pub struct Approach {
    route: Route,
    keyring: Keyring,
    host_keys: HostKeys,
    /// Whether engine and files may be reached with `sudo -n`.
    sudo: bool,
    /// The route with what ssh_config says; asked once, however often a machine is tried.
    settled: OnceCell<Target>,
}

impl Approach {
    /// To an instance. Its host key is the tagged one; without a tag, `first contact` accepts any.
    pub fn to_instance(
        world: &World,
        group: &Group,
        one: &OwnedInstance,
        image: Option<&MachineImage>,
    ) -> Result<Self, Cause> {
        let address = match group.ssh.address {
            SshAddress::Public => one.public_ip.as_ref(),
            SshAddress::Private => one.private_ip.as_ref(),
        };
        let host = address.cloned().ok_or_else(|| no_address(group, one))?;
        let known = image.filter(|image| image.id == one.image_id).or(image);
        let usual = known.and_then(|image| image.user.clone()).or_else(|| group.ssh.user.clone());
        let usual = usual.ok_or_else(|| Cause {
            message: format!("the user of {} ({}) is not known from its AMI", one.slot, one.image_id),
            help: Some(format!("set instances.{}.ssh.user", group.name)),
        })?;
        let mut approach = Self::new(world, group, host, usual);
        match one.host_key.as_deref().map(str::parse::<HostKeyTag>) {
            Some(Ok(tag)) => approach.pin(&tag).map_err(|error| error.cause())?,
            Some(Err(error)) => return Err(Cause { message: error.to_string(), help: None }),
            None => {}
        }
        Ok(approach)
    }

    fn new(world: &World, group: &Group, host: String, usual_user: String) -> Self {
        let route = Route {
            host,
            user: group.ssh.user.clone(),
            usual_user,
            port: group.ssh.port,
            identity_file: group.ssh.identity_file.clone(),
            proxy_jump: group.ssh.proxy_jump.clone(),
        };
        Self {
            route,
            keyring: world.keyring.clone(),
            host_keys: HostKeys::FirstContact,
            sudo: group.sudo,
            settled: OnceCell::new(),
        }
    }

    /// Accepts only this key.
    ///
    /// # Errors
    /// The tag's text is no key.
    pub fn pin(&mut self, tag: &HostKeyTag) -> Result<(), SshError> {
        self.host_keys = HostKeys::Pinned(vec![tag.key.parse::<Pin>()?]);
        Ok(())
    }

    /// Whether a key is pinned.
    pub fn is_pinned(&self) -> bool {
        matches!(self.host_keys, HostKeys::Pinned(_))
    }

    /// One attempt.
    pub async fn connect(&self) -> Result<Host, SshError> {
        let settle = || self.route.settle(&self.keyring, self.host_keys.clone());
        let mut target = self.settled.get_or_try_init(settle).await?.clone();
        // A console may have answered since.
        if self.is_pinned() {
            target.host_keys = self.host_keys.clone();
        }
        let session = Session::connect(&target).await?;
        Ok(Host::ssh(session, self.sudo))
    }
}

fn no_address(group: &Group, one: &OwnedInstance) -> Cause {
    let (kind, help) = match group.ssh.address {
        SshAddress::Public => (
            "public",
            format!(
                "its subnet gives none: set instances.{0}.ssh.address: private (and {0}.ssh.proxy_jump, if a jump \
                 host leads there), or another subnet_id",
                group.name
            ),
        ),
        SshAddress::Private => ("private", "wait until it runs, then plan again".to_owned()),
    };
    Cause { message: format!("{} ({}) has no {kind} address", one.slot, one.id), help: Some(help) }
}

/// Connects to a machine that a3 did not launch: this one, or a `host:`.
///
/// # Errors
/// What is seen of it instead: unreachable, or refused.
pub(super) async fn known(spec: &Spec, world: &World, group: &Group, slot: &Slot) -> Result<Host, HostSeen> {
    let addresses = match &group.machine {
        Machine::Local => {
            let engine = world.engine.clone().map_err(HostSeen::Unreachable)?;
            return Ok(Host::local(engine, folder_of(spec), group.sudo));
        }
        Machine::Host(addresses) => addresses,
        Machine::Ec2(_) => &Vec::new(),
    };
    let address = usize::try_from(slot.index).ok().and_then(|index| addresses.get(index));
    let no_address = || Cause { message: format!("{slot} has no address"), help: None };
    let address = address.ok_or_else(|| HostSeen::Unreachable(no_address()))?;
    let mut approach = Approach::new(world, group, address.host.clone(), own_name());
    approach.host_keys = HostKeys::KnownHosts;
    approach.route.user = address.user.clone().or(approach.route.user);
    approach.route.port = address.port.or(approach.route.port);
    approach.connect().await.map_err(|error| not_seen(&error))
}

/// What is seen of a machine that could not be connected to.
pub(super) fn not_seen(error: &SshError) -> HostSeen {
    if error.is_host_key() { HostSeen::Refused(error.cause()) } else { HostSeen::Unreachable(error.cause()) }
}

/// The folder of the first spec file, absolute.
fn folder_of(spec: &Spec) -> PathBuf {
    let folder = spec.files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    std::path::absolute(folder.join("x"))
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned))
        .unwrap_or_default()
}

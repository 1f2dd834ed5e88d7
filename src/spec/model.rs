//! The validated spec: what `deploy.yaml` means once everything that can be settled offline is
//! settled. No spans, no text to parse again; `spec/lower/` is the only place that makes one.
//!
//! Field names are Compose's for services, Terraform's `aws_instance` for `ec2`, ssh_config's for
//! `ssh`. `spec/fields.rs` says for each field what a change of it costs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::id::{Platform, Slot};

/// A whole deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The deployment's name; marks everything that it owns.
    pub name: String,
    /// The files that the spec was read from, in the order of merging.
    pub files: Vec<PathBuf>,
    /// The registries that a3 has a credential for, by server.
    pub registries: IndexMap<String, Registry>,
    /// The groups in declaration order. Without `instances:` there is one, `local`.
    pub groups: IndexMap<String, Group>,
    /// The active services in declaration order.
    pub services: IndexMap<String, Service>,
    /// Services whose profiles are not active: known, so that they are neither planned nor removed.
    pub inactive: Vec<String>,
    /// How many complete releases' images a host keeps.
    pub keep_releases: u32,
    /// Set for a rollback: the services are those of an earlier release, not the file's.
    pub rollback: Option<Rollback>,
}

/// An earlier release in the place of what the file asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The release.
    pub to: u64,
    /// Only these services; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

impl Rollback {
    /// Whether it is about a service.
    pub fn covers(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|covered| covered == service)
    }
}

impl Spec {
    /// Every slot of every group, in declaration order.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &Group)> {
        self.groups
            .iter()
            .flat_map(|(name, group)| (0..group.count()).map(move |i| (Slot::new(name.clone(), i), group)))
    }

    /// The services that run on `group`, in declaration order.
    pub fn services_on<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Service> {
        self.services.values().filter(move |service| service.on == group)
    }
}

/// A registry and how to log in to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    /// `HOST` or `HOST:PORT`, as it begins an image reference.
    pub server: String,
    /// The user; with no password either, the docker configuration is asked.
    pub username: Option<String>,
    /// Where the password comes from; `None` is `~/.docker/config.json` and its helpers.
    pub password: Option<SecretSource>,
    /// Whether the host keeps the credential (`docker login` there).
    pub persist_login: bool,
}

/// Where a secret comes from. It is read when it is needed, never part of the spec or a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; loses one trailing newline.
    File(PathBuf),
    /// A command line, run without a shell; asks for consent first.
    Command(Vec<String>),
}

/// A place where services run: `count` machines of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The key under `instances:`.
    pub name: String,
    /// What the machines are.
    pub machine: Machine,
    /// How to reach them; unused by `local`.
    pub ssh: Ssh,
    /// Whether a3 may install Docker where it is missing.
    pub install_docker: bool,
    /// Whether engine and files are reached with `sudo -n` where the user may not.
    pub sudo: bool,
}

impl Group {
    /// How many slots the group has.
    pub fn count(&self) -> u32 {
        match &self.machine {
            Machine::Ec2(ec2) => ec2.count,
            Machine::Host(addresses) => u32::try_from(addresses.len()).unwrap_or(u32::MAX),
            Machine::Local => 1,
        }
    }
}

/// The kinds of machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Machine {
    /// Launched on EC2.
    Ec2(Box<Ec2>),
    /// Existing machines, one slot each.
    Host(Vec<HostAddress>),
    /// This machine's own engine.
    Local,
}

/// `[USER@]HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAddress {
    /// Overrides `ssh.user`.
    pub user: Option<String>,
    /// A name or address.
    pub host: String,
    /// Overrides `ssh.port`.
    pub port: Option<u16>,
}

/// ssh_config's words for reaching a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Ssh {
    /// `None`: known from the AMI.
    pub user: Option<String>,
    /// `None`: ssh_config's, else 22.
    pub port: Option<u16>,
    /// The private key; `None` asks the agent, and ssh_config's or the usual files.
    pub identity_file: Option<PathBuf>,
    /// Jump hosts: `[USER@]HOST[:PORT]`, several with commas, or `none`; `None`: ssh_config's.
    pub proxy_jump: Option<String>,
    /// Which of an instance's addresses is dialled.
    pub address: SshAddress,
    /// Wait for the console's host keys instead of accepting one at first contact.
    pub strict: bool,
    /// Public keys (lines) that may also log in.
    pub authorized_keys: Vec<String>,
}

impl Ssh {
    /// Where an instance's sshd listens: what its security group has to let through.
    pub fn instance_port(&self) -> u16 {
        self.port.unwrap_or(22)
    }
}

/// Which of an instance's addresses a3 dials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SshAddress {
    /// The public IPv4 address.
    #[default]
    Public,
    /// The private one, through a VPN, a jump host, or from inside the VPC.
    Private,
}

/// Tags that a3 gives an instance in the course of its life, `Name` among them.
pub const OWN_TAGS: usize = 11;

/// What is launched on EC2; names are Terraform's `aws_instance` arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Ec2 {
    /// How many machines.
    pub count: u32,
    /// `None`: the environment's or profile's.
    pub region: Option<String>,
    /// The profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// Accounts that may be worked in; empty allows any.
    pub allowed_account_ids: Vec<String>,
    /// As EC2 spells it, `t2.micro`.
    pub instance_type: String,
    /// Which machine image.
    pub ami: Ami,
    /// An existing key pair; `None`: a3 imports the public half of `ssh.identity_file`.
    pub key_name: Option<String>,
    /// Existing groups; empty: a3 keeps one.
    pub vpc_security_group_ids: Vec<String>,
    /// The subnet; `None`: the default VPC's.
    pub subnet_id: Option<String>,
    /// An instance profile's name.
    pub iam_instance_profile: Option<String>,
    /// The first disk.
    pub root_block_device: RootBlockDevice,
    /// The person's own cloud-init data.
    pub user_data: Option<String>,
    /// Further tags.
    pub tags: IndexMap<String, String>,
    /// The metadata service.
    pub metadata_options: MetadataOptions,
    /// Spot instead of on demand.
    pub spot: Option<Spot>,
    /// EC2's termination protection. `None` leaves it as it is.
    pub disable_api_termination: Option<bool>,
    /// From first boot; the instance ends itself after it.
    pub ttl: Option<Duration>,
    /// CIDRs that may reach the published ports; `None`: only one's own address.
    pub allow_from: Option<Vec<String>>,
    /// CIDRs of one's own ssh rule; `None`: asked at `address_url`.
    pub allow_ssh_from: Option<Vec<String>>,
    /// Answers with the caller's address as plain text.
    pub address_url: Option<String>,
}

/// Which machine image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ami {
    /// `ami-…`.
    Id(String),
    /// The newest whose name matches the glob, by this owner (an account id, `amazon`, `self`).
    Newest {
        /// A glob as DescribeImages takes it.
        name: String,
        /// Account id or alias.
        owner: String,
    },
}

/// Terraform's `root_block_device`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootBlockDevice {
    /// GiB; `None`: the AMI's.
    pub volume_size: Option<u32>,
    /// `gp3`, …; `None`: the AMI's.
    pub volume_type: Option<String>,
    /// `None`: the account's default.
    pub encrypted: Option<bool>,
}

/// Terraform's `metadata_options`; IMDSv2 is always required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// 1 unless said: containers on a bridge do not reach it.
    pub http_put_response_hop_limit: u32,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self { http_put_response_hop_limit: 1 }
    }
}

/// `instance_market_options: { market_type: spot }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// Dollars an hour; `None`: the on-demand price.
    pub max_price: Option<String>,
}

/// One service; keys are Compose's.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The key under `services:`.
    pub name: String,
    /// The group that it runs on.
    pub on: String,
    /// The reference as written, normalised (`docker.io/library/…:latest` filled in). Without
    /// `image:` in the file it is `NAME-SERVICE:latest`.
    pub image: String,
    /// How to build it; `None`: only pulled.
    pub build: Option<Build>,
    /// `None`: the architecture of where it runs.
    pub platform: Option<Platform>,
    /// Data files for the machine.
    pub files: Vec<DataFile>,
    /// Mounts.
    pub volumes: Vec<Volume>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// `container_name`, else `NAME-SERVICE-1`.
    pub container_name: String,
    /// When the engine starts it again.
    pub restart: Restart,
    /// `docker run --rm`.
    pub auto_remove: bool,
    /// What proves that it works.
    pub check: Option<Check>,
    /// Overrides the image's command.
    pub command: Option<Vec<String>>,
    /// Overrides the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// The container's environment.
    pub environment: IndexMap<String, EnvValue>,
    /// `uid[:gid]` or names.
    pub user: Option<String>,
    /// Directory to start in.
    pub working_dir: Option<String>,
    /// Labels of the container.
    pub labels: IndexMap<String, String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// The container's HEALTHCHECK.
    pub healthcheck: Option<Healthcheck>,
    /// Services that are started first.
    pub depends_on: Vec<String>,
    /// The profiles that activate it.
    pub profiles: Vec<String>,
    /// Between SIGTERM and SIGKILL; 10 s unless said.
    pub stop_grace_period: Duration,
    /// Read-only root file system.
    pub read_only: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    pub cap_drop: Vec<String>,
    /// Bytes.
    pub mem_limit: Option<u64>,
    /// In billionths of a processor (the engine's `NanoCpus`).
    pub nano_cpus: Option<i64>,
    /// Log driver.
    pub logging: Option<Logging>,
    /// Limits by name.
    pub ulimits: IndexMap<String, Ulimit>,
    /// Mount points of temporary file systems, with options.
    pub tmpfs: Vec<String>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<u64>,
    /// A small init as PID 1.
    pub init: Option<bool>,
    /// `host:ip` lines.
    pub extra_hosts: Vec<String>,
    /// How many hosts at once.
    pub parallelism: u32,
    /// Keys whose text a variable took part in, `command`, `build.args.TOKEN`: it may be a secret, and is not
    /// shown. The environment's values say so themselves.
    pub interpolated: BTreeSet<String>,
}

/// How an image is built.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// The folder.
    pub context: PathBuf,
    /// Inside the context; `Dockerfile` unless said.
    pub dockerfile: String,
    /// Build arguments.
    pub args: IndexMap<String, String>,
    /// Stage of the Dockerfile.
    pub target: Option<String>,
    /// By id.
    pub secrets: IndexMap<String, SecretSource>,
    /// Images to take layers from.
    pub cache_from: Vec<String>,
    /// Labels of the image.
    pub labels: IndexMap<String, String>,
    /// Ask the registry for newer base images.
    pub pull: bool,
    /// Ignore the cache.
    pub no_cache: bool,
}

/// A data file or folder copied to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Here.
    pub source: PathBuf,
    /// There: relative and `~` mean the ssh user's home, on `local` the spec's folder. A trailing
    /// slash keeps the source's name.
    pub target: String,
    /// Octal permission bits; `None`: the source's.
    pub mode: Option<u32>,
    /// Written with `sudo`.
    pub sudo: bool,
    /// What a change does to services whose volumes cover it.
    pub on_change: OnChange,
}

/// What a changed data file does to the services that see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// They are restarted.
    #[default]
    Restart,
    /// Nothing.
    None,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Volume {
    /// Host path (absolute, relative or `~`) or the volume's name.
    pub source: VolumeSource,
    /// Absolute path in the container.
    pub target: String,
    /// `:ro`.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// A path of the machine; relative and `~` as in [`DataFile::target`].
    Bind(String),
    /// A named volume, `DEPLOYMENT_NAME` on the engine.
    Named(String),
    /// An anonymous one.
    Anonymous,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Port {
    /// The machine's address; `None` is all.
    pub host_ip: Option<String>,
    /// `None`: the engine picks one.
    pub published: Option<u16>,
    /// In the container.
    pub target: u16,
    /// TCP unless said.
    pub protocol: Protocol,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Compose's `restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// Always.
    Always,
    /// Unless a person stopped it.
    UnlessStopped,
    /// When it exits with a code other than 0, at most so often (0: without a limit).
    OnFailure(u32),
}

/// What proves that a service works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The path asked for.
    pub http: String,
    /// The container's port.
    pub port: u16,
    /// The status that counts as working.
    pub status: u16,
    /// The whole deadline.
    pub timeout: Duration,
}

/// A value of the environment.
#[derive(Clone, Debug)]
pub enum EnvValue {
    /// Written in the file.
    Plain(String),
    /// From an `env_file` or through interpolation: known now, treated as a secret.
    Resolved(secrecy::SecretString),
    /// Read when it is needed.
    Secret(SecretSource),
    /// A bare name that is not set here: the container is without it, even if its image sets it.
    Unset,
}

impl PartialEq for EnvValue {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        match (self, other) {
            (Self::Plain(a), Self::Plain(b)) => a == b,
            (Self::Resolved(a), Self::Resolved(b)) => a.expose_secret() == b.expose_secret(),
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::Unset, Self::Unset) => true,
            _ => false,
        }
    }
}

/// The container's HEALTHCHECK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]` or `["NONE"]`.
    pub test: Vec<String>,
    /// Between two tries.
    pub interval: Option<Duration>,
    /// Of one try.
    pub timeout: Option<Duration>,
    /// Failures that make it unhealthy.
    pub retries: Option<u32>,
    /// Failures that do not count at first.
    pub start_period: Option<Duration>,
}

/// Log driver and its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// `json-file`, …
    pub driver: Option<String>,
    /// As the driver takes them.
    pub options: IndexMap<String, String>,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ulimit {
    /// Soft.
    pub soft: i64,
    /// Hard.
    pub hard: i64,
}

//! The field table: every key of `deploy.yaml`, what it is for in a line, and what a change of it
//! costs. It drives the documentation; a test holds it against the schema, and so against the types.

use serde::Serialize;

/// What a change of a field costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// It changes nothing that runs: it says how a3 works, or is read anew each time.
    Ignored,
    /// What runs goes on running.
    InPlace,
    /// A new container takes the old one's place: a gap of about a second, and up to
    /// `stop_grace_period` more.
    Recreate,
    /// The instance is stopped and started: a new address, unless it has a fixed one.
    StopStart,
    /// Another instance takes its place: new address, and what is on its disk is lost.
    Replace,
    /// It counts when the thing is created; a change is a notice.
    CreateOnly,
    /// A group of keys, each with a cost of its own.
    Parts,
}

impl Cost {
    /// In words, as the documentation has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignored => "nothing",
            Self::InPlace => "in place",
            Self::Recreate => "container recreate",
            Self::StopStart => "stop-start",
            Self::Replace => "replace instance",
            Self::CreateOnly => "create-only",
            Self::Parts => "see its keys",
        }
    }
}

/// A key of `deploy.yaml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// From the top; `*` is any name, `[]` an item of a list.
    pub path: &'static str,
    /// What a change costs.
    pub cost: Cost,
    /// What it is for.
    pub about: &'static str,
}

/// Where a key belongs that was written elsewhere; `None` for one that is known in no or several places.
pub(crate) fn place_of(key: &str) -> Option<&'static str> {
    let split = FIELDS.iter().filter_map(|field| field.path.rsplit_once('.'));
    let mut places = split.filter(|(_, last)| *last == key).map(|(place, _)| place);
    places.next().filter(|_| places.next().is_none())
}

const fn field(path: &'static str, cost: Cost, about: &'static str) -> Field {
    Field { path, cost, about }
}

use Cost::{CreateOnly, Ignored, InPlace, Parts, Recreate, Replace, StopStart};

/// Every key, in the order of the documentation.
pub const FIELDS: &[Field] = &[
    field("name", CreateOnly, "marks everything; another name is another deployment"),
    field("required_version", Ignored, "which a3 may read the file"),
    field("keep_releases", InPlace, "how many complete releases a machine keeps, with their images"),
    field("registry", Parts, "where images go and come from"),
    field("registry.server", Recreate, "moves the images to another registry"),
    field("registry.username", Ignored, "used at the next push and pull"),
    field("registry.password", Ignored, "used at the next push and pull"),
    field("registry.password.env", Ignored, "a variable"),
    field("registry.password.file", Ignored, "a file"),
    field("registry.password.command", Ignored, "a command"),
    field("registry.persist_login", Ignored, "leaves the credential on a host at its next pull"),
    field("instances", Parts, "the groups of machines"),
    field("instances.*", Parts, "a group; another name is another group"),
    field("instances.*.count", Parts, "more are launched, the highest slots are ended"),
    field("instances.*.host", Parts, "machines that exist; what ran on one that left stays there"),
    field("instances.*.local", Parts, "this machine's engine"),
    field(
        "instances.*.install_docker",
        InPlace,
        "installs Docker where it is missing, starts it where it is stopped",
    ),
    field("instances.*.sudo", Ignored, "how a host is worked on"),
    field("instances.*.ssh", Parts, "how a host is reached"),
    field("instances.*.ssh.user", Ignored, "who logs in"),
    field("instances.*.ssh.port", InPlace, "where sshd listens; the managed firewall lets you in there"),
    field("instances.*.ssh.identity_file", CreateOnly, "whose public half is imported at launch"),
    field("instances.*.ssh.proxy_jump", Ignored, "which machines the way leads through"),
    field("instances.*.ssh.address", Ignored, "which address is dialled"),
    field("instances.*.ssh.strict", Ignored, "waits for the console's host keys"),
    field("instances.*.ssh.authorized_keys", InPlace, "who else may log in"),
    field("instances.*.ssh.authorized_keys[].file", InPlace, "a file with such keys"),
    field("instances.*.ec2", Parts, "what is launched"),
    field("instances.*.ec2.region", Replace, "where it is launched"),
    field("instances.*.ec2.profile", Ignored, "which credentials are used"),
    field("instances.*.ec2.allowed_account_ids", Ignored, "refuses other accounts"),
    field(
        "instances.*.ec2.instance_type",
        StopStart,
        "the hardware; another architecture replaces, and so does spot",
    ),
    field("instances.*.ec2.ami", Replace, "the machine image; a newer one of the same name is a notice"),
    field("instances.*.ec2.ami.name", Replace, "which name; in place where it means the same image"),
    field("instances.*.ec2.ami.owner", Replace, "by whom"),
    field("instances.*.ec2.key_name", CreateOnly, "the key pair at launch"),
    field("instances.*.ec2.vpc_security_group_ids", InPlace, "the instance's security groups"),
    field("instances.*.ec2.subnet_id", Replace, "the network it is in"),
    field("instances.*.ec2.iam_instance_profile", Replace, "what the instance may do"),
    field("instances.*.ec2.root_block_device", Replace, "the first disk"),
    field("instances.*.ec2.root_block_device.volume_size", Replace, "GiB"),
    field("instances.*.ec2.root_block_device.volume_type", Replace, "its kind"),
    field("instances.*.ec2.root_block_device.encrypted", Replace, "whether it is encrypted"),
    field("instances.*.ec2.user_data", Replace, "cloud-init data, run at first boot"),
    field("instances.*.ec2.user_data.file", Replace, "the same from a file"),
    field("instances.*.ec2.tags", InPlace, "further tags; one that left is taken away, others' are not"),
    field("instances.*.ec2.metadata_options", InPlace, "the metadata service"),
    field("instances.*.ec2.metadata_options.http_put_response_hop_limit", InPlace, "how far it is heard"),
    field("instances.*.ec2.instance_market_options", Replace, "spot or on demand"),
    field("instances.*.ec2.instance_market_options.market_type", Replace, "spot"),
    field("instances.*.ec2.instance_market_options.spot_options", CreateOnly, "how it is bought"),
    field("instances.*.ec2.instance_market_options.spot_options.max_price", CreateOnly, "dollars an hour"),
    field("instances.*.ec2.disable_api_termination", InPlace, "termination protection"),
    field("instances.*.ec2.ttl", InPlace, "when the instance ends itself"),
    field("instances.*.ec2.allow_from", InPlace, "who reaches the published ports"),
    field("instances.*.ec2.allow_ssh_from", InPlace, "from where you log in"),
    field("instances.*.ec2.address_url", Ignored, "says what your address is"),
    field("services", Parts, "what runs"),
    field("services.*", Parts, "a service; another name is another service"),
    field("services.*.image", Recreate, "what runs"),
    field("services.*.build", Recreate, "how the image is built; the folder when it is text"),
    field("services.*.build.context", Recreate, "the folder; counts by its content"),
    field("services.*.build.dockerfile", Recreate, "the Dockerfile; counts by its content"),
    field("services.*.build.args", Recreate, "build arguments"),
    field("services.*.build.target", Recreate, "the stage"),
    field("services.*.build.secrets", Ignored, "secrets of the build; not part of the source"),
    field("services.*.build.secrets.*", Ignored, "one of them"),
    field("services.*.build.secrets.*.env", Ignored, "a variable"),
    field("services.*.build.secrets.*.file", Ignored, "a file"),
    field("services.*.build.secrets.*.command", Ignored, "a command"),
    field("services.*.build.cache_from", Ignored, "where layers may come from"),
    field("services.*.build.labels", Recreate, "labels of the image"),
    field("services.*.build.pull", Ignored, "asks for newer base images when it builds"),
    field("services.*.build.no_cache", Ignored, "how it builds"),
    field("services.*.platform", Recreate, "what the image is for"),
    field("services.*.on", Parts, "moves the service to another group"),
    field("services.*.files", InPlace, "copied; restarts the services that mount the path"),
    field(
        "services.*.files[].source",
        InPlace,
        "counts by its content; the service restarts, unless `on_change: none`",
    ),
    field("services.*.files[].target", InPlace, "the old place is cleaned up"),
    field(
        "services.*.files[].mode",
        InPlace,
        "permission bits; the service restarts, unless `on_change: none`",
    ),
    field("services.*.files[].sudo", Ignored, "how it is written"),
    field("services.*.files[].on_change", Ignored, "whether a change restarts"),
    field("services.*.volumes", Recreate, "mounts; the data stays"),
    field("services.*.volumes[].type", Recreate, "the kind"),
    field("services.*.volumes[].source", Recreate, "what is mounted"),
    field("services.*.volumes[].target", Recreate, "where"),
    field("services.*.volumes[].read_only", Recreate, "how"),
    field("services.*.ports", Recreate, "published ports, and the managed firewall"),
    field("services.*.ports[].target", Recreate, "in the container"),
    field("services.*.ports[].published", Recreate, "on the machine"),
    field("services.*.ports[].host_ip", Recreate, "on which address"),
    field("services.*.ports[].protocol", Recreate, "tcp or udp"),
    field("services.*.container_name", Recreate, "the container's name"),
    field("services.*.restart", InPlace, "when the engine starts it again"),
    field("services.*.auto_remove", Recreate, "goes when it stops"),
    field("services.*.check", Ignored, "asked after the next start"),
    field("services.*.check.http", Ignored, "the path"),
    field("services.*.check.port", Ignored, "the container's port"),
    field("services.*.check.status", Ignored, "what counts as working"),
    field("services.*.check.timeout", Ignored, "for how long"),
    field("services.*.command", Recreate, "overrides the image's"),
    field("services.*.entrypoint", Recreate, "overrides the image's"),
    field("services.*.environment", Recreate, "environment; secrets count by a keyed hash"),
    field("services.*.environment.*.env", Recreate, "a secret from a variable"),
    field("services.*.environment.*.file", Recreate, "a secret from a file"),
    field("services.*.environment.*.command", Recreate, "a secret from a command"),
    field("services.*.env_file", Recreate, "environment from files, by their content"),
    field("services.*.env_file.path", Recreate, "the file"),
    field("services.*.env_file.required", Ignored, "whether it may be missing"),
    field("services.*.env_file.format", Recreate, "how values are read"),
    field("services.*.user", Recreate, "who it runs as"),
    field("services.*.working_dir", Recreate, "where it starts"),
    field("services.*.labels", Recreate, "labels cannot change on a container"),
    field("services.*.hostname", Recreate, "its host name"),
    field("services.*.healthcheck", Recreate, "the container's HEALTHCHECK"),
    field("services.*.healthcheck.test", Recreate, "the command"),
    field("services.*.healthcheck.interval", Recreate, "between two"),
    field("services.*.healthcheck.timeout", Recreate, "of one"),
    field("services.*.healthcheck.retries", Recreate, "until unhealthy"),
    field("services.*.healthcheck.start_period", Recreate, "at first"),
    field("services.*.healthcheck.disable", Recreate, "switched off"),
    field("services.*.depends_on", Ignored, "the order of starting"),
    field("services.*.depends_on.*", Ignored, "one of them"),
    field("services.*.depends_on.*.condition", Ignored, "how far it has to be"),
    field("services.*.profiles", Ignored, "whether it is planned at all"),
    field("services.*.stop_grace_period", Recreate, "the engine keeps it with the container"),
    field("services.*.read_only", Recreate, "the root file system"),
    field("services.*.cap_add", Recreate, "capabilities"),
    field("services.*.cap_drop", Recreate, "capabilities"),
    field("services.*.mem_limit", InPlace, "memory"),
    field("services.*.cpus", InPlace, "processors"),
    field("services.*.logging", Recreate, "where output goes"),
    field("services.*.logging.driver", Recreate, "the driver"),
    field("services.*.logging.options", Recreate, "its options"),
    field("services.*.ulimits", Recreate, "limits"),
    field("services.*.ulimits.*", Recreate, "one of them"),
    field("services.*.ulimits.*.soft", Recreate, "soft"),
    field("services.*.ulimits.*.hard", Recreate, "hard"),
    field("services.*.tmpfs", Recreate, "temporary file systems"),
    field("services.*.shm_size", Recreate, "size of /dev/shm"),
    field("services.*.init", Recreate, "an init as first process"),
    field("services.*.extra_hosts", Recreate, "lines of /etc/hosts"),
    field("services.*.update_config", Ignored, "how hosts are updated"),
    field("services.*.update_config.parallelism", Ignored, "how many at once"),
];

/// The row of a key; `path` with names as they are (`services.s2.image`).
pub fn find(path: &str) -> Option<&'static Field> {
    let parts: Vec<&str> = path.split('.').collect();
    let matches = |field: &&Field| {
        let pattern = field.path.split('.');
        pattern.clone().count() == parts.len()
            && pattern.zip(&parts).all(|(pattern, part)| {
                pattern == "*" || pattern == *part || pattern.strip_suffix("[]") == Some(part)
            })
    };
    FIELDS.iter().find(matches)
}

//! A deployment and a world to plan against, built in code: the seed's music service on EC2.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use a3::id::{Arch, Digest, Platform, Slot};
use a3::observed::{
    Cause, CloudSeen, Distribution, HostFacts, HostSeen, ImageSeen, LocalFile, MachineImage, NotYet,
    Observed, OwnedInstance, RemoteImage, RemoteSeen, Scope, Secrets, Seen,
};
use a3::spec::{
    Ami, Build, Check, DataFile, Ec2, EnvValue, Group, HostAddress, Machine, MetadataOptions, OnChange, Port,
    Protocol, Registry, Restart, RootBlockDevice, SecretSource, Service, Spec, Ssh, SshAddress, Volume,
    VolumeSource,
};
use indexmap::IndexMap;
use secrecy::SecretString;

pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const GIB: u64 = 1 << 30;
/// Of a machine, in billionths.
pub(crate) const ALL_PROCESSORS: i64 = 2_000_000_000;

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn slot(index: u32) -> Slot {
    Slot::new("web", index)
}

pub(crate) fn cause(message: &str, help: &str) -> Cause {
    Cause { message: message.into(), help: Some(help.into()) }
}

/// A spec with one group and one service; scenarios change what they are about.
pub(crate) fn spec() -> Spec {
    let registry = Registry {
        server: "ghcr.io".into(),
        username: Some("me".into()),
        password: Some(SecretSource::File("cluster/ghcr.io-token.txt".into())),
        persist_login: false,
    };
    Spec {
        name: "music-me".into(),
        files: vec!["deploy.yaml".into()],
        registries: IndexMap::from([("ghcr.io".to_owned(), registry)]),
        groups: IndexMap::from([("web".to_owned(), group(Machine::Ec2(Box::new(ec2()))))]),
        services: IndexMap::from([("s2".to_owned(), service())]),
        inactive: Vec::new(),
        keep_releases: 3,
        rollback: None,
    }
}

pub(crate) fn group(machine: Machine) -> Group {
    Group {
        name: "web".into(),
        machine,
        ssh: Ssh {
            user: Some("ec2-user".into()),
            port: None,
            identity_file: Some("/home/me/.ssh/id_ed25519".into()),
            proxy_jump: None,
            address: SshAddress::Public,
            strict: false,
            authorized_keys: Vec::new(),
        },
        install_docker: false,
        sudo: false,
    }
}

pub(crate) fn ec2() -> Ec2 {
    Ec2 {
        count: 1,
        region: Some("us-west-2".into()),
        profile: None,
        allowed_account_ids: Vec::new(),
        instance_type: "t2.micro".into(),
        ami: Ami::Newest { name: "al2023-ami-2023.*-x86_64".into(), owner: "amazon".into() },
        key_name: None,
        vpc_security_group_ids: Vec::new(),
        subnet_id: None,
        iam_instance_profile: None,
        root_block_device: RootBlockDevice::default(),
        user_data: None,
        tags: IndexMap::new(),
        metadata_options: MetadataOptions::default(),
        spot: None,
        disable_api_termination: None,
        ttl: Some(Duration::from_secs(8 * 3600)),
        allow_from: None,
        allow_ssh_from: None,
        address_url: None,
    }
}

pub(crate) fn service() -> Service {
    let build = Build {
        context: "examples/music-service".into(),
        dockerfile: "Dockerfile".into(),
        args: IndexMap::from([("ASSIGN".to_owned(), "a3".to_owned())]),
        target: None,
        secrets: IndexMap::new(),
        cache_from: Vec::new(),
        labels: IndexMap::new(),
        pull: false,
        no_cache: false,
    };
    let file = DataFile {
        source: "music.csv".into(),
        target: "music/".into(),
        mode: None,
        sudo: false,
        on_change: OnChange::Restart,
    };
    let volume =
        Volume { source: VolumeSource::Bind("./music".into()), target: "/data".into(), read_only: false };
    let check =
        Check { http: "/api/v1/music/".into(), port: 30001, status: 200, timeout: Duration::from_secs(30) };
    Service {
        build: Some(build),
        files: vec![file],
        volumes: vec![volume],
        ports: vec![port(30001)],
        container_name: "s2".into(),
        restart: Restart::UnlessStopped,
        check: Some(check),
        environment: IndexMap::from([("LOG".to_owned(), EnvValue::Plain("info".into()))]),
        ..bare_service("s2", "ghcr.io/me/s2-standalone:v0.75")
    }
}

pub(crate) fn port(number: u16) -> Port {
    Port { host_ip: None, published: Some(number), target: number, protocol: Protocol::Tcp }
}

pub(crate) fn bare_service(name: &str, image: &str) -> Service {
    Service {
        name: name.into(),
        on: "web".into(),
        image: image.into(),
        build: None,
        platform: None,
        files: Vec::new(),
        volumes: Vec::new(),
        ports: Vec::new(),
        container_name: format!("music-me-{name}-1"),
        restart: Restart::No,
        auto_remove: false,
        check: None,
        command: None,
        entrypoint: None,
        environment: IndexMap::new(),
        user: None,
        working_dir: None,
        labels: IndexMap::new(),
        hostname: None,
        healthcheck: None,
        depends_on: Vec::new(),
        profiles: Vec::new(),
        stop_grace_period: Duration::from_secs(10),
        read_only: false,
        cap_add: Vec::new(),
        cap_drop: Vec::new(),
        mem_limit: None,
        nano_cpus: None,
        logging: None,
        ulimits: IndexMap::new(),
        tmpfs: Vec::new(),
        shm_size: None,
        init: None,
        extra_hosts: Vec::new(),
        parallelism: 1,
        interpolated: BTreeSet::new(),
    }
}

/// The spec on an existing host.
pub(crate) fn host_spec() -> Spec {
    let mut spec = spec();
    let address = HostAddress { user: None, host: "192.0.2.9".into(), port: None };
    spec.groups.insert("web".into(), group(Machine::Host(vec![address])));
    spec
}

/// The spec on this machine's own engine.
pub(crate) fn local_spec() -> Spec {
    let mut spec = spec();
    spec.registries.clear();
    spec.groups.insert("web".into(), group(Machine::Local));
    spec
}

pub(crate) fn edit_ec2(spec: &mut Spec, edit: impl FnOnce(&mut Ec2)) {
    if let Machine::Ec2(ec2) = &mut spec.groups["web"].machine {
        edit(ec2);
    }
}

/// A world in which nothing of the deployment exists.
pub(crate) fn nothing(spec: &Spec) -> Observed {
    let mut seen = Observed {
        now: NOW,
        scope: Scope {
            registries: spec.registries.keys().cloned().collect(),
            engines: vec!["this machine's engine".into()],
            ..Scope::default()
        },
        images: IndexMap::new(),
        clouds: IndexMap::new(),
        hosts: IndexMap::new(),
        files: IndexMap::new(),
        missing: Vec::new(),
        unread: Default::default(),
        secrets: Secrets::default(),
        built: Seen::Absent,
    };
    for service in spec.services.values() {
        seen.images.insert(service.name.clone(), no_image(service));
        seen.files.insert(service.name.clone(), local_files(service));
    }
    for (slot, group) in spec.slots() {
        let host = match &group.machine {
            Machine::Ec2(_) => HostSeen::NotYet(NotYet::NotLaunched),
            Machine::Host(_) | Machine::Local => HostSeen::Ready(Box::new(fresh_host())),
        };
        seen.hosts.insert(slot, host);
        if let Machine::Ec2(ec2) = &group.machine {
            seen.scope.account = Some("123456789012".into());
            seen.scope.caller = Some("arn:aws:iam::123456789012:user/me".into());
            seen.scope.regions = vec!["us-west-2".into()];
            seen.clouds.insert(group.name.clone(), Seen::Present(empty_cloud(ec2)));
        }
    }
    seen
}

fn no_image(service: &Service) -> ImageSeen {
    ImageSeen {
        platform: Platform(Arch::Amd64),
        source: service.build.as_ref().map(|_| digest("source 1")),
        context: service.build.as_ref().map(|_| (8, 5812)),
        reference: RemoteSeen::Absent,
        source_tag: RemoteSeen::Absent,
        local_source: Seen::Absent,
        local_reference: Seen::Absent,
    }
}

pub(crate) fn remote(name: &str, source: Option<&str>) -> RemoteImage {
    RemoteImage {
        digest: digest(name),
        manifest_digest: digest(&format!("{name} manifest")),
        config_digest: digest(&format!("{name} config")),
        source: source.map(digest),
        size: 50_000_000,
    }
}

fn local_files(service: &Service) -> Vec<LocalFile> {
    let file = |(entry, file): (usize, &DataFile)| LocalFile {
        entry,
        source: file.source.clone(),
        target: format!("{}{}", file.target, file.source.display()),
        mode: file.mode.unwrap_or(0o644),
        digest: digest(&format!("{} 1", file.source.display())),
        size: 1234,
    };
    service.files.iter().enumerate().map(file).collect()
}

pub(crate) fn fresh_host() -> HostFacts {
    HostFacts {
        arch: Arch::Amd64,
        base: "/home/ec2-user".into(),
        home: "/home/ec2-user".into(),
        folder: "/var/lib/a3/music-me".into(),
        sudo: true,
        disk_free: Some(6 * GIB),
        now: NOW,
        engine: Seen::Present("26.1.5".into()),
        engine_stopped: false,
        distribution: Some(Distribution {
            id: "debian".into(),
            version: "13".into(),
            name: "Debian GNU/Linux 13 (trixie)".into(),
        }),
        listening: Vec::new(),
        ports_known: true,
        containers: Vec::new(),
        admitted: Vec::new(),
        files: BTreeMap::new(),
        repo_digests: BTreeSet::new(),
        kept: Vec::new(),
        volumes: Vec::new(),
        foreign_volumes: Vec::new(),
        foreign_network: false,
        record: None,
        key: Some(SecretString::from("a key of this host".to_owned())),
        lease: None,
    }
}

pub(crate) fn machine_image(id: &str) -> MachineImage {
    MachineImage {
        id: id.into(),
        name: format!("al2023-ami-2023.{}-x86_64", &id[4..]),
        arch: Arch::Amd64,
        user: Some("ec2-user".into()),
        root_device: Some("/dev/xvda".into()),
        root_size: Some(8),
    }
}

fn empty_cloud(ec2: &Ec2) -> CloudSeen {
    CloudSeen {
        account: "123456789012".into(),
        region: "us-west-2".into(),
        image: match &ec2.ami {
            Ami::Id(id) => Some(machine_image(id)),
            Ami::Newest { .. } => Some(machine_image("ami-0aaa")),
        },
        type_archs: vec![Arch::Amd64],
        instances: Vec::new(),
        vpc_id: Some("vpc-0123".into()),
        security_group: None,
        held_by: Vec::new(),
        foreign_group: None,
        key_pair: None,
        foreign_key: false,
        own_key: Some("SHA256:mine".into()),
        caller_cidrs: vec!["198.51.100.4/32".into()],
        caller_id: "me@laptop".into(),
        own_groups: None,
        no_such_type: None,
        refusals: Vec::new(),
        unchecked: Vec::new(),
        notes: Vec::new(),
        left: Vec::new(),
    }
}

pub(crate) fn cloud(seen: &mut Observed) -> &mut CloudSeen {
    cloud_of(seen, "web")
}

pub(crate) fn cloud_of<'a>(seen: &'a mut Observed, group: &str) -> &'a mut CloudSeen {
    let Some(Seen::Present(cloud)) = seen.clouds.get_mut(group) else { panic!("{group} has no cloud") };
    cloud
}

/// EC2 gives another one to each launch.
pub(crate) fn instance_id(slot: &Slot, generation: u32, region: &str) -> String {
    let Slot { group, index } = slot;
    match (group.as_str(), region) {
        ("web", "us-west-2") => format!("i-{index}{generation}"),
        (_, "us-west-2") => format!("i-{group}-{index}-{generation}"),
        _ => format!("i-{group}-{index}-{generation}-{region}"),
    }
}

pub(crate) fn instance(seen: &mut Observed, index: u32) -> &mut OwnedInstance {
    let wanted = slot(index);
    let mut found = cloud(seen).instances.iter_mut().filter(|one| one.slot == wanted);
    found.next_back().expect("the slot has an instance")
}

pub(crate) fn facts(seen: &mut Observed, index: u32) -> &mut HostFacts {
    let Some(HostSeen::Ready(facts)) = seen.hosts.get_mut(&slot(index)) else { panic!("not ready") };
    facts
}

//! The shape of a service: Compose's keys, and `on`, `files`, `check`, `auto_remove`.

use crate::spec::quantities::{Bytes, Cpus, Int, PortNumber, Span};
use crate::spec::raw::entries::{
    DependsOn, EnvFileEntry, ExtraHosts, FileEntry, PlatformText, PortEntry, RestartText, Test, UlimitEntry,
    VolumeEntry,
};
use crate::spec::read::{List, OneOrMany, Table, raw};
use crate::spec::scalars::{Flag, LocalPath, Loose, Text};
use crate::spec::shapes::{Argv, Pairs, Secret};

raw! {
    /// One container on each instance of a group; keys and meaning are the Compose Specification's.
    RawService = "a service" {
        /// The image's reference. With `build` it is what the built image is called.
        image: Text,
        /// How to build the image: a folder, or details. Without it the image is only pulled.
        build: RawBuild,
        /// What the image is for, `linux/amd64` or `linux/arm64`; without it what the machine is.
        platform: PlatformText,
        /// The group that it runs on; needed when there are several.
        on: Text,
        /// Data files and folders for the machine: `local:remote[:mode]`, or details.
        files: List<FileEntry>,
        /// Mounts: `source:target[:ro]`, or details. A source with a slash is a path of the machine.
        volumes: List<VolumeEntry>,
        /// Published ports: `[[ADDRESS:]PUBLISHED:]TARGET[/udp]`, ranges, or details.
        ports: List<PortEntry>,
        /// The container's name; without it `NAME-SERVICE-1`.
        container_name: Text,
        /// `no`, `always`, `unless-stopped` or `on-failure[:N]` (no).
        restart: RestartText,
        /// Remove the container when it stops, as `docker run --rm` (false); excludes `restart`.
        auto_remove: Flag,
        /// What proves that it works.
        check: RawCheck,
        /// Overrides the image's command.
        command: Argv,
        /// Overrides the image's entry point.
        entrypoint: Argv,
        /// Environment variables; a secret is `{ env: … }`, `{ file: … }` or `{ command: […] }`.
        environment: Pairs<true>,
        /// Files with environment variables; `environment` wins.
        env_file: OneOrMany<EnvFileEntry>,
        /// `uid[:gid]`, or names.
        user: Loose,
        /// The folder to start in.
        working_dir: Text,
        /// Labels of the container.
        labels: Pairs<false>,
        /// The container's host name.
        hostname: Text,
        /// The container's HEALTHCHECK.
        healthcheck: RawHealthcheck,
        /// Services that are started first.
        depends_on: DependsOn,
        /// The service is only there when one of them is active (`--profile`, `COMPOSE_PROFILES`).
        profiles: List<Text>,
        /// From SIGTERM to SIGKILL (10s).
        stop_grace_period: Span,
        /// A read-only root file system (false).
        read_only: Flag,
        /// Capabilities to add.
        cap_add: List<Text>,
        /// Capabilities to drop.
        cap_drop: List<Text>,
        /// Memory limit: `512m`, `1g`.
        mem_limit: Bytes,
        /// How many processors it may use: `0.5`.
        cpus: Cpus,
        /// Where its output goes.
        logging: RawLogging,
        /// Limits by name: one number, or `soft` and `hard`.
        ulimits: Table<UlimitEntry>,
        /// Mount points of temporary file systems.
        tmpfs: OneOrMany<Text>,
        /// Size of `/dev/shm`.
        shm_size: Bytes,
        /// Run a small init as the first process (the engine's default).
        init: Flag,
        /// Further lines of `/etc/hosts`: `HOST:ADDRESS`.
        extra_hosts: ExtraHosts,
        /// How the instances of a group are updated.
        update_config: RawUpdateConfig,
    }
}

raw! {
    /// How an image is built.
    RawBuildDetails = "build" {
        /// The folder.
        context: LocalPath,
        /// The Dockerfile, inside the context (Dockerfile).
        dockerfile: Text,
        /// Build arguments; a bare name is taken from the environment.
        args: Pairs<false>,
        /// The stage to build.
        target: Text,
        /// Secrets for `RUN --mount=type=secret`, by id.
        secrets: Table<Secret>,
        /// Images to take layers from.
        cache_from: List<Text>,
        /// Labels of the image.
        labels: Pairs<false>,
        /// Ask the registry for newer base images (false).
        pull: Flag,
        /// Build every layer anew (false).
        no_cache: Flag,
    }
}

/// A folder, or details.
#[derive(Clone, Debug)]
pub(crate) struct RawBuild(pub(crate) RawBuildDetails);

raw! {
    /// A request that proves that the service works.
    RawCheck = "check" {
        /// The path asked for.
        http: Text,
        /// The container's port; needed when it has not exactly one.
        port: PortNumber,
        /// The status that counts as working (200).
        status: Int<100, 599>,
        /// The whole deadline (30s).
        timeout: Span,
    }
}

raw! {
    /// The container's HEALTHCHECK.
    RawHealthcheck = "healthcheck" {
        /// A command line, or `["CMD", …]`, `["CMD-SHELL", …]`, `["NONE"]`.
        test: Test,
        /// Between two tries.
        interval: Span,
        /// Of one try.
        timeout: Span,
        /// Failures that make it unhealthy.
        retries: Int<1, 1000>,
        /// Failures that do not count at first.
        start_period: Span,
        /// Switch off the image's HEALTHCHECK (false).
        disable: Flag,
    }
}

raw! {
    /// Where the container's output goes.
    RawLogging = "logging" {
        /// `json-file`, `local`, `journald`, …
        driver: Text,
        /// As the driver takes them.
        options: Pairs<false>,
    }
}

raw! {
    /// How the instances of a group are updated.
    RawUpdateConfig = "update_config" {
        /// How many at once (1); the first failed one stops those after it.
        parallelism: Int<1, 1000>,
    }
}

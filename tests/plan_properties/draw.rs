//! Any spec: what chance draws, written down as the `deploy.yaml` that a person would write, and read by
//! a3's own rules. Every choice is a number, 0 is the plainest, so that what shrinks gets plainer.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

pub(crate) const GROUPS: usize = 3;
pub(crate) const SERVICES: usize = 5;

/// What is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    Keep,
    PersistLogin,
    ModeOfTable,
    ModeOfList,
    Last,
}

/// What is said of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfGroup {
    Present,
    Kind,
    Name,
    Count,
    Region,
    Type,
    Ami,
    KeyName,
    OwnGroups,
    Tags,
    Ttl,
    Spot,
    Protection,
    HopLimit,
    Subnet,
    Profile,
    Disk,
    UserData,
    InstallDocker,
    Keys,
    AllowFrom,
    SshFrom,
    SshPort,
    Last,
}

/// What is said of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfService {
    Present,
    On,
    Name,
    Build,
    Server,
    Reference,
    Container,
    Table,
    List,
    OnChange,
    Bind,
    Volume,
    Port,
    SecondPort,
    HostIp,
    Restart,
    Check,
    DependsOn,
    Environment,
    Secret,
    Memory,
    Cpus,
    Command,
    Labels,
    User,
    Grace,
    Parallelism,
    Tmpfs,
    Folder,
    Profile,
    Last,
}

const TOP: usize = Top::Last as usize;
const OF_GROUP: usize = OfGroup::Last as usize;
const OF_SERVICE: usize = OfService::Last as usize;

/// A spec, as it was drawn.
#[derive(Clone)]
pub(crate) struct Draw {
    top: [u8; TOP],
    groups: [[u8; OF_GROUP]; GROUPS],
    services: [[u8; OF_SERVICE]; SERVICES],
}

/// One choice made anew, of what is said at the top, of a group or of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    pub(crate) of: u8,
    pub(crate) field: u8,
    pub(crate) value: u8,
}

/// What it means is printed as a file.
impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draw")
    }
}

impl Draw {
    /// The plainest: nothing at all.
    pub(crate) fn plain() -> Self {
        let (groups, services) = ([[0; OF_GROUP]; GROUPS], [[0; OF_SERVICE]; SERVICES]);
        Self { top: [0; TOP], groups, services }
    }

    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let group = any::<[u8; OF_GROUP]>();
        let service = any::<[u8; OF_SERVICE]>();
        let all = (
            any::<[u8; TOP]>(),
            [group, any::<[u8; OF_GROUP]>(), any::<[u8; OF_GROUP]>()],
            prop::array::uniform5(service),
        );
        all.prop_map(|(top, groups, services)| Self { top, groups, services })
    }

    /// As somebody has edited it.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Self {
        let mut draw = self.clone();
        for edit in edits {
            let field = usize::from(edit.field);
            match usize::from(edit.of) % (1 + GROUPS + SERVICES) {
                0 => draw.top[field % TOP] = edit.value,
                of if of <= GROUPS => draw.groups[of - 1][field % OF_GROUP] = edit.value,
                of => draw.services[of - 1 - GROUPS][field % OF_SERVICE] = edit.value,
            }
        }
        draw
    }

    /// As a file.
    pub(crate) fn yaml(&self) -> String {
        let mut page = Page::default();
        page.line("name: shop");
        page.choice("keep_releases", self.top(Top::Keep), 60, &["1", "2", "4"]);
        let persist = if on(self.top(Top::PersistLogin), 20) { ", persist_login: true" } else { "" };
        page.line("registry:");
        page.line(&format!("  - {{ server: ghcr.io, username: me, password: {{ env: GHCR }}{persist} }}"));
        page.line("  - { server: registry.test, username: me, password: { env: REGISTRY } }");
        let groups = self.write_groups(&mut page);
        self.write_services(&groups, &mut page);
        page.text
    }

    fn top(&self, field: Top) -> u8 {
        self.top[field as usize]
    }

    /// Name and kind of each.
    fn write_groups(&self, page: &mut Page) -> Vec<(String, Kind)> {
        let mut groups: Vec<(String, Kind)> = Vec::new();
        for (index, choices) in self.groups.iter().enumerate() {
            let group = GroupDraw(choices);
            // One of them at least most often; without any, services run on the engine here.
            if !on(group.at(OfGroup::Present), if index == 0 { 95 } else { 45 }) {
                continue;
            }
            let has_local = groups.iter().any(|(_, kind)| *kind == Kind::Local);
            let kind = match group.at(OfGroup::Kind) % 8 {
                0..3 => Kind::Host,
                3..7 => Kind::Ec2,
                _ if has_local => Kind::Host,
                _ => Kind::Local,
            };
            let variant = if on(group.at(OfGroup::Name), 15) { "2" } else { "" };
            let name = format!("{}{variant}", ["web", "db", "jobs"][index]);
            if groups.is_empty() {
                page.line("instances:");
            }
            page.line(&format!("  {name}:"));
            match kind {
                Kind::Host => group.write_host(index, page),
                Kind::Ec2 => group.write_ec2(page),
                Kind::Local => page.line("    local: {}"),
            }
            groups.push((name, kind));
        }
        if groups.is_empty() {
            groups.push((String::new(), Kind::Local));
        }
        groups
    }

    fn write_services(&self, groups: &[(String, Kind)], page: &mut Page) {
        let modes = [self.top(Top::ModeOfTable), self.top(Top::ModeOfList)];
        let mut taken = Taken::default();
        for (index, choices) in self.services.iter().enumerate() {
            let service = ServiceDraw { choices, index, modes };
            if !on(service.at(OfService::Present), 65) {
                continue;
            }
            if !page.text.contains("services:") {
                page.line("services:");
            }
            let (group, kind) = &groups[usize::from(service.at(OfService::On)) % groups.len()];
            service.write((group, *kind), &mut taken, page);
        }
    }
}

/// Teammates' keys.
const YOU: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII5gRnyRykzuiGjTvXVMTVcEYnjd62yH62Jk4NSonFi1 you@laptop";
const ANN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMg9BjxAWxeowra+Gjj1CwFEMLFBzft0IpHGqLmKhXEz ann@desk";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Ec2,
    Local,
}

/// Whether a choice falls into the share of so many in a hundred.
fn on(value: u8, percent: u32) -> bool {
    u32::from(255 - value) * 100 < percent * 256
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
    }

    /// One of several values, in so many of a hundred cases.
    fn choice(&mut self, key: &str, value: u8, percent: u32, values: &[&str]) {
        if on(value, percent) {
            self.line(&format!("{key}: {}", values[usize::from(value) % values.len()]));
        }
    }
}

struct GroupDraw<'a>(&'a [u8; OF_GROUP]);

impl GroupDraw<'_> {
    fn at(&self, field: OfGroup) -> u8 {
        self.0[field as usize]
    }

    fn write_host(&self, index: usize, page: &mut Page) {
        let count = 1 + usize::from(self.at(OfGroup::Count)) % 3;
        let hosts: Vec<String> = (0..count).map(|host| format!("192.0.2.{}", 10 * index + host)).collect();
        page.line(&format!("    host: [{}]", hosts.join(", ")));
        if on(self.at(OfGroup::InstallDocker), 40) {
            page.line("    install_docker: true");
            page.line("    sudo: true");
        }
        page.line("    ssh:");
        page.line("      user: me");
        self.write_keys(page);
    }

    fn write_keys(&self, page: &mut Page) {
        let both = format!("[{YOU}, {ANN}]");
        page.choice("      authorized_keys", self.at(OfGroup::Keys), 25, &[&format!("[{YOU}]"), &both]);
    }

    fn write_ec2(&self, page: &mut Page) {
        if on(self.at(OfGroup::Count), 40) {
            page.line(&format!("    count: {}", self.at(OfGroup::Count) % 4));
        }
        if on(self.at(OfGroup::InstallDocker), 40) {
            page.line("    install_docker: false");
        }
        page.line("    ssh:");
        page.line("      user: ec2-user");
        page.line("      identity_file: /home/me/.ssh/id_ed25519");
        page.choice("      port", self.at(OfGroup::SshPort), 10, &["2222"]);
        self.write_keys(page);
        page.line("    ec2:");
        let types = if on(self.at(OfGroup::Type), 20) { "t3.small" } else { "t2.micro" };
        page.line(&format!("      instance_type: {types}"));
        page.line(&format!("      ami: {}", self.ami()));
        let mut add = |key: &str, field: OfGroup, percent, values: &[&str]| {
            page.choice(&format!("      {key}"), self.at(field), percent, values);
        };
        add("region", OfGroup::Region, 40, &["eu-central-1", "us-west-2"]);
        add("key_name", OfGroup::KeyName, 25, &["mine", "ours"]);
        add("vpc_security_group_ids", OfGroup::OwnGroups, 20, &["[sg-mine]", "[sg-mine, sg-ours]"]);
        add("tags", OfGroup::Tags, 30, &["{ team: music }", "{ team: film }", "{ Name: box, cost: low }"]);
        add("metadata_options", OfGroup::HopLimit, 15, &["{ http_put_response_hop_limit: 2 }"]);
        add("subnet_id", OfGroup::Subnet, 10, &["subnet-1"]);
        add("iam_instance_profile", OfGroup::Profile, 10, &["reader"]);
        add("root_block_device", OfGroup::Disk, 15, &["{ volume_size: 20 }", "{ volume_size: 30 }"]);
        add("user_data", OfGroup::UserData, 10, &["\"#!/bin/sh\""]);
        add("allow_from", OfGroup::AllowFrom, 30, &["[0.0.0.0/0]", "[198.51.100.7/24]"]);
        add("allow_ssh_from", OfGroup::SshFrom, 15, &["[198.51.100.4/32]", "[198.51.100.8/32]"]);
        let protected = on(self.at(OfGroup::Protection), 25);
        let lifted = protected && self.at(OfGroup::Protection).is_multiple_of(2);
        if protected {
            page.line(&format!("      disable_api_termination: {}", !lifted));
        }
        // Neither goes with a protection.
        if !protected || lifted {
            page.choice("      ttl", self.at(OfGroup::Ttl), 35, &["8h", "24h"]);
            page.choice(
                "      instance_market_options",
                self.at(OfGroup::Spot),
                15,
                &["{ market_type: spot }"],
            );
        }
    }

    fn ami(&self) -> &'static str {
        let value = self.at(OfGroup::Ami);
        let others = ["ami-0bbb", "ami-0ccc", "{ name: \"debian-13-amd64-*\", owner: \"136693071363\" }"];
        if on(value, 25) {
            return others[usize::from(value) % others.len()];
        }
        "{ name: \"al2023-ami-2023.*-x86_64\", owner: amazon }"
    }
}

/// What services that come before have taken, by group.
#[derive(Default)]
struct Taken {
    services: Vec<String>,
    ports: BTreeSet<(String, u32)>,
    containers: BTreeSet<(String, String)>,
}

struct ServiceDraw<'a> {
    choices: &'a [u8; OF_SERVICE],
    index: usize,
    modes: [u8; 2],
}

impl ServiceDraw<'_> {
    fn at(&self, field: OfService) -> u8 {
        self.choices[field as usize]
    }

    fn write(&self, (group, kind): (&str, Kind), taken: &mut Taken, page: &mut Page) {
        let variant = if on(self.at(OfService::Name), 12) { "2" } else { "" };
        let name = format!("{}{variant}", ["api", "front", "queue", "cron", "cache"][self.index]);
        page.line(&format!("  {name}:"));
        if !group.is_empty() {
            page.line(&format!("    on: {group}"));
        }
        let inactive = on(self.at(OfService::Profile), 10);
        if inactive {
            page.line("    profiles: [other]");
        }
        // Only what is active takes anything from others.
        let mut aside = Taken::default();
        let taken = if inactive { &mut aside } else { taken };
        self.write_image(kind, page);
        self.write_data(kind, page);
        self.write_place(group, taken, page);
        let before = &taken.services;
        if on(self.at(OfService::DependsOn), 40) && !before.is_empty() {
            let first = usize::from(self.at(OfService::DependsOn)) % before.len();
            page.line(&format!("    depends_on: [{}]", before[first]));
        }
        self.write_settings(page);
        taken.services.push(name);
    }

    fn write_image(&self, kind: Kind, page: &mut Page) {
        let name = ["api", "front", "queue", "cron", "cache"][self.index];
        let server = if on(self.at(OfService::Server), 35) { "registry.test" } else { "ghcr.io" };
        let reference = if on(self.at(OfService::Reference), 20) { "v2" } else { "v1" };
        let built = on(self.at(OfService::Build), 50);
        let repository = match self.at(OfService::Server) % 5 {
            0 if !built && kind != Kind::Local => format!("docker.io/others/{name}"),
            _ => format!("{server}/me/{name}"),
        };
        page.line(&format!("    image: {repository}:{reference}"));
        if built {
            let args = if on(self.at(OfService::Build), 15) { ", args: { ASSIGN: a3 }" } else { "" };
            page.line(&format!("    build: {{ context: {name}{args} }}"));
        }
    }

    fn write_data(&self, kind: Kind, page: &mut Page) {
        let change = if on(self.at(OfService::OnChange), 30) { ", on_change: none" } else { "" };
        let files = [(OfService::Table, "table.csv"), (OfService::List, "list.csv")];
        let folder = match (kind, on(self.at(OfService::Folder), 20)) {
            (Kind::Local, false) => "there",
            (_, false) => "data",
            (_, true) => "more",
        };
        let mut lines = Vec::new();
        for ((field, file), mode) in files.into_iter().zip(self.modes) {
            let mode = if on(mode, 30) { ", mode: 0600" } else { "" };
            if on(self.at(field), 30) {
                lines.push(format!("      - {{ source: {file}, target: {folder}/{mode}{change} }}"));
            }
        }
        if !lines.is_empty() {
            page.line("    files:");
            lines.iter().for_each(|line| page.line(line));
        }
        let mut volumes = Vec::new();
        if on(self.at(OfService::Bind), 35) {
            let read_only = if self.at(OfService::Bind).is_multiple_of(3) { ":ro" } else { "" };
            volumes.push(format!("\"./{folder}:/data{read_only}\""));
        }
        if on(self.at(OfService::Volume), 25) {
            volumes.push(format!(
                "\"{}:/store\"",
                ["store", "other"][usize::from(self.at(OfService::Volume)) % 2]
            ));
        }
        if !volumes.is_empty() {
            page.line(&format!("    volumes: [{}]", volumes.join(", ")));
        }
    }

    /// Ports and the container's name, which nobody else on the machine has.
    fn write_place(&self, group: &str, taken: &mut Taken, page: &mut Page) {
        let mut ports = Vec::new();
        for (field, percent) in [(OfService::Port, 50), (OfService::SecondPort, 20)] {
            let published = 30000 + u32::from(self.at(field)) % 6;
            if on(self.at(field), percent) && taken.ports.insert((group.to_owned(), published)) {
                let ip = if on(self.at(OfService::HostIp), 15) { "127.0.0.1:" } else { "" };
                let udp = if on(self.at(OfService::HostIp), 5) { "/udp" } else { "" };
                ports.push(format!("\"{ip}{published}:{}{udp}\"", 80 + ports.len()));
            }
        }
        if !ports.is_empty() {
            page.line(&format!("    ports: [{}]", ports.join(", ")));
            if on(self.at(OfService::Check), 40) {
                page.line("    check: { http: /, port: 80, timeout: 5s }");
            }
        }
        let container = ["one", "two", "three"][usize::from(self.at(OfService::Container)) % 3];
        let container = (group.to_owned(), container.to_owned());
        if on(self.at(OfService::Container), 25) && taken.containers.insert(container.clone()) {
            page.line(&format!("    container_name: {}", container.1));
        }
    }

    fn write_settings(&self, page: &mut Page) {
        let mut environment = Vec::new();
        if on(self.at(OfService::Environment), 40) {
            environment.push(
                ["LOG: info", "LOG: debug", "LEVEL: \"${LEVEL}\""]
                    [usize::from(self.at(OfService::Environment)) % 3],
            );
        }
        if on(self.at(OfService::Secret), 35) {
            environment.push(
                ["TOKEN: { env: TOKEN }", "TOKEN: { file: token.txt }"]
                    [usize::from(self.at(OfService::Secret)) % 2],
            );
        }
        if !environment.is_empty() {
            page.line(&format!("    environment: {{ {} }}", environment.join(", ")));
        }
        let restart = self.at(OfService::Restart);
        if on(restart, 70) {
            let kinds =
                ["restart: unless-stopped", "restart: always", "restart: on-failure:3", "auto_remove: true"];
            page.line(&format!("    {}", kinds[usize::from(restart) % kinds.len()]));
        }
        let mut add = |key: &str, field: OfService, percent, values: &[&str]| {
            page.choice(&format!("    {key}"), self.at(field), percent, values);
        };
        add("mem_limit", OfService::Memory, 25, &["128m", "256m"]);
        add("cpus", OfService::Cpus, 15, &["0.5", "1"]);
        add("command", OfService::Command, 20, &["serve", "[serve, fast]"]);
        add("labels", OfService::Labels, 15, &["{ team: music }", "{ team: film }"]);
        add("user", OfService::User, 10, &["\"1000\""]);
        add("stop_grace_period", OfService::Grace, 15, &["3s", "30s"]);
        add("update_config", OfService::Parallelism, 25, &["{ parallelism: 2 }"]);
        add("tmpfs", OfService::Tmpfs, 10, &["/tmp"]);
    }
}

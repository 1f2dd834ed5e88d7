//! The batches against the field table: which rows each changes, and why a row is in none.

use std::collections::BTreeSet;

use a3::spec::fields::{Cost, FIELDS, find};
use serde_json::Value;

use crate::process::figure;

/// By test: the rows that it changes. A test fails when it is not just these.
const BATCHES: &[(&str, &[&str])] = &[
    (
        "another_container_name_takes_the_old_ones_place",
        &[
            "services.*.auto_remove",
            "services.*.container_name",
            "services.*.restart",
            "services.*.tmpfs",
            "services.*.user",
        ],
    ),
    (
        "files_that_are_copied",
        &[
            "services.*.files",
            "services.*.files[].mode",
            "services.*.files[].on_change",
            "services.*.files[].source",
            "services.*.files[].sudo",
            "services.*.files[].target",
        ],
    ),
    (
        "keys_of_a_build_and_of_its_registry",
        &[
            "registry.password",
            "registry.password.file",
            "registry.server",
            "services.*.build",
            "services.*.build.context",
            "services.*.build.secrets",
            "services.*.build.secrets.*",
            "services.*.build.secrets.*.env",
            "services.*.image",
        ],
    ),
    (
        "keys_of_a_machine",
        &[
            "instances.*.ec2.allow_from",
            "instances.*.ec2.allow_ssh_from",
            "instances.*.ec2.ami",
            "instances.*.ec2.ami.name",
            "instances.*.ec2.ami.owner",
            "instances.*.ec2.disable_api_termination",
            "instances.*.ec2.iam_instance_profile",
            "instances.*.ec2.instance_market_options",
            "instances.*.ec2.instance_market_options.market_type",
            "instances.*.ec2.instance_market_options.spot_options",
            "instances.*.ec2.instance_market_options.spot_options.max_price",
            "instances.*.ec2.instance_type",
            "instances.*.ec2.key_name",
            "instances.*.ec2.metadata_options",
            "instances.*.ec2.metadata_options.http_put_response_hop_limit",
            "instances.*.ec2.region",
            "instances.*.ec2.root_block_device",
            "instances.*.ec2.root_block_device.encrypted",
            "instances.*.ec2.root_block_device.volume_size",
            "instances.*.ec2.root_block_device.volume_type",
            "instances.*.ec2.subnet_id",
            "instances.*.ec2.tags",
            "instances.*.ec2.ttl",
            "instances.*.ec2.user_data",
            "instances.*.ec2.user_data.file",
            "instances.*.ec2.vpc_security_group_ids",
            "instances.*.ssh.user",
        ],
    ),
    (
        "keys_of_access_that_change_nothing",
        &[
            "instances.*.ec2.address_url",
            "instances.*.ec2.key_name",
            "instances.*.ec2.profile",
            "instances.*.install_docker",
            "instances.*.ssh.identity_file",
            "registry.password",
            "registry.password.command",
            "registry.password.env",
            "registry.password.file",
            "registry.persist_login",
            "services.*.build",
            "services.*.build.secrets",
            "services.*.build.secrets.*",
            "services.*.build.secrets.*.command",
            "services.*.build.secrets.*.env",
            "services.*.build.secrets.*.file",
        ],
    ),
    (
        "keys_that_change_a_container_in_place",
        &["services.*.cpus", "services.*.mem_limit", "services.*.restart"],
    ),
    (
        "keys_that_change_a_host_in_place",
        &["instances.*.ssh.authorized_keys", "instances.*.ssh.authorized_keys[].file", "keep_releases"],
    ),
    (
        "keys_that_change_nothing",
        &[
            "instances.*.ec2.allowed_account_ids",
            "instances.*.ssh.address",
            "instances.*.ssh.port",
            "instances.*.ssh.strict",
            "instances.*.ssh.user",
            "instances.*.sudo",
            "required_version",
            "services.*.build",
            "services.*.build.cache_from",
            "services.*.build.no_cache",
            "services.*.build.pull",
            "services.*.check",
            "services.*.check.http",
            "services.*.check.port",
            "services.*.check.status",
            "services.*.check.timeout",
            "services.*.depends_on",
            "services.*.env_file",
            "services.*.env_file.path",
            "services.*.env_file.required",
            "services.*.files",
            "services.*.files[].on_change",
            "services.*.files[].source",
            "services.*.files[].target",
            "services.*.profiles",
            "services.*.update_config",
            "services.*.update_config.parallelism",
        ],
    ),
    (
        "keys_that_make_a_new_container",
        &[
            "services.*.cap_add",
            "services.*.cap_drop",
            "services.*.check",
            "services.*.check.port",
            "services.*.check.timeout",
            "services.*.command",
            "services.*.entrypoint",
            "services.*.env_file",
            "services.*.env_file.path",
            "services.*.environment",
            "services.*.extra_hosts",
            "services.*.healthcheck",
            "services.*.healthcheck.interval",
            "services.*.healthcheck.retries",
            "services.*.healthcheck.start_period",
            "services.*.healthcheck.test",
            "services.*.healthcheck.timeout",
            "services.*.hostname",
            "services.*.init",
            "services.*.labels",
            "services.*.logging",
            "services.*.logging.driver",
            "services.*.logging.options",
            "services.*.ports",
            "services.*.ports[].host_ip",
            "services.*.ports[].protocol",
            "services.*.ports[].published",
            "services.*.ports[].target",
            "services.*.read_only",
            "services.*.shm_size",
            "services.*.stop_grace_period",
            "services.*.tmpfs",
            "services.*.ulimits",
            "services.*.ulimits.*",
            "services.*.ulimits.*.hard",
            "services.*.ulimits.*.soft",
            "services.*.user",
            "services.*.volumes",
            "services.*.volumes[].read_only",
            "services.*.volumes[].source",
            "services.*.volumes[].target",
            "services.*.volumes[].type",
            "services.*.working_dir",
        ],
    ),
    (
        "keys_that_make_a_new_image",
        &[
            "services.*.build",
            "services.*.build.args",
            "services.*.build.dockerfile",
            "services.*.build.labels",
            "services.*.build.target",
            "services.*.image",
            "services.*.platform",
        ],
    ),
    (
        "keys_whose_values_are_read_elsewhere",
        &[
            "services.*.command",
            "services.*.depends_on",
            "services.*.depends_on.*",
            "services.*.depends_on.*.condition",
            "services.*.env_file",
            "services.*.env_file.format",
            "services.*.env_file.path",
            "services.*.environment",
            "services.*.environment.*.command",
            "services.*.environment.*.env",
            "services.*.environment.*.file",
            "services.*.healthcheck",
            "services.*.healthcheck.disable",
            "services.*.healthcheck.interval",
            "services.*.healthcheck.test",
            "services.*.image",
            "services.*.profiles",
            "services.*.stop_grace_period",
            "services.*.volumes",
            "services.*.volumes[].target",
            "services.*.volumes[].type",
        ],
    ),
];

/// Rows in no batch.
const EXCUSED: &[(&str, &str)] = &[
    ("name", "another name is another deployment (everywhere.rs, story.rs)"),
    ("instances.*.count", "ends and launches machines (machines.rs, effects/)"),
    ("instances.*.host", "other machines (host_kinds.rs)"),
    ("instances.*.local", "this machine's engine (host_kinds.rs)"),
    ("instances.*.ssh.proxy_jump", "wants a machine in between (host_kinds.rs)"),
    ("registry.username", "another user may not push to this one's names (tests/registry)"),
    ("services.*.on", "moves to another group (five_hosts.rs)"),
];

/// A row that has to be in a batch: one with a cost, or a group of keys that has none below it.
fn counts(path: &str, cost: Cost) -> bool {
    let is_below = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
    cost != Cost::Parts || !FIELDS.iter().any(|row| is_below(row.path))
}

#[test]
fn every_row_of_the_table_is_in_a_batch() {
    let rows: BTreeSet<&str> =
        FIELDS.iter().filter(|row| counts(row.path, row.cost)).map(|row| row.path).collect();
    let covered: BTreeSet<&str> = BATCHES.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let excused: BTreeSet<&str> = EXCUSED.iter().map(|(row, _)| *row).collect();
    figure(&format!(
        "four steps: {} of {} fields in {} batches; the others with a reason: {}",
        covered.intersection(&rows).count(),
        rows.len(),
        BATCHES.len(),
        EXCUSED.iter().map(|(row, why)| format!("{row} ({why})")).collect::<Vec<_>>().join(", "),
    ));
    let missing: Vec<&&str> =
        rows.iter().filter(|row| !covered.contains(*row) && !excused.contains(*row)).collect();
    assert!(missing.is_empty(), "in no batch and without a reason: {missing:?}");
    let unknown: Vec<&&str> = covered.union(&excused).filter(|row| !rows.contains(*row)).collect();
    assert!(unknown.is_empty(), "no row of the table: {unknown:?}");
    let both: Vec<&&str> = covered.intersection(&excused).collect();
    assert!(both.is_empty(), "in a batch and excused: {both:?}");
}

/// Holds what a batch has changed against the list.
#[track_caller]
pub(super) fn holds_batch(name: &str, changed: &BTreeSet<&'static str>) {
    let listed = BATCHES.iter().find(|(batch, _)| *batch == name).map(|(_, rows)| *rows).unwrap_or_default();
    let counted = FIELDS.iter().filter(|row| changed.contains(row.path) && counts(row.path, row.cost));
    let counted: BTreeSet<&str> = counted.map(|row| row.path).collect();
    assert_eq!(counted, listed.iter().copied().collect(), "{name} changes these rows");
}

/// The rows of which two texts of `deploy.yaml` say another thing.
pub(super) fn changed(before: &str, after: &str, rows: &mut BTreeSet<&'static str>) {
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    walk("", &read(before), &read(after), rows);
}

fn walk(path: &str, before: &Value, after: &Value, rows: &mut BTreeSet<&'static str>) {
    if before == after {
        return;
    }
    rows.extend(find(path).map(|row| row.path));
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<BTreeSet<_>>());
    for key in [keys(before), keys(after)].into_iter().flatten().flatten().collect::<BTreeSet<String>>() {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        walk(&below, &before[&key], &after[&key], rows);
    }
    let items = |value: &Value| value.as_array().map_or(0, Vec::len);
    for at in 0..items(before).max(items(after)) {
        walk(path, &before[at], &after[at], rows);
    }
}

//! `a3 history`: the releases of a deployment, newest first, as a table or JSON.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::error::note_text;
use super::look::{Look, Tone};
use super::table::table;
use crate::plan::moment;
use crate::record::history::History as Known;
use crate::record::{Release, ReleaseStatus, ReleasedService};

/// The version of the JSON document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that `a3 history` says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct History {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    deployment: String,
    /// Newest first.
    releases: Vec<Row>,
    notices: Vec<String>,
}

/// One release.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Row {
    release: u64,
    /// RFC 3339, in UTC.
    at: String,
    by: String,
    status: ReleaseStatus,
    /// Whether it is the last complete one.
    current: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_to: Option<u64>,
    /// By service: the image. Of several where the machines differ.
    services: BTreeMap<String, Vec<String>>,
    /// What it changed against the release before: `+ s2`, `~ s2`, `- s2`.
    changed: Vec<String>,
    /// By machine, where not all say the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    machines: BTreeMap<String, Differing>,
}

/// What one machine says of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Differing {
    status: ReleaseStatus,
    services: BTreeMap<String, String>,
}

impl History {
    /// From what the machines remember; those that failed only with `all`.
    pub fn of(deployment: &str, known: &Known<'_>, notices: Vec<String>, all: bool) -> Self {
        let current = known.last_complete();
        let shown = |number: &u64| all || known.is_complete(*number) || Some(*number) > current;
        let releases = known.numbers().rev().filter(shown).filter_map(|number| row(known, number, current));
        let releases = releases.collect();
        Self { format_version: FORMAT_VERSION, deployment: deployment.to_owned(), releases, notices }
    }

    /// As a table. Ends with a newline.
    pub fn to_text(&self, look: &Look) -> String {
        let mut text = format!("Deployment {}\n\n", look.paint(Tone::Strong, &self.deployment));
        if self.releases.is_empty() {
            text.push_str("Nothing of it was released yet.\n");
        } else {
            let titles = ["RELEASE", "WHEN (UTC)", "WHO", "STATUS", "CHANGED", "SERVICES"];
            let rows: Vec<_> = self.releases.iter().map(cells).collect();
            text.push_str(&table(look, titles, &rows));
        }
        let differing = self.releases.iter().filter(|row| !row.machines.is_empty());
        let differing = differing.map(|row| {
            let each = row.machines.iter().map(|(slot, one)| {
                format!("{slot} {} with {}", status(one.status), services(one.services.iter()))
            });
            format!(
                "release {} is not the same everywhere: {}",
                row.release,
                each.collect::<Vec<_>>().join("; ")
            )
        });
        let notices: Vec<String> = differing.chain(self.notices.iter().cloned()).collect();
        if !notices.is_empty() {
            text.push('\n');
        }
        notices.iter().for_each(|notice| text.push_str(&note_text(look, notice)));
        text
    }

    /// As one JSON document. Ends with a newline.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn row(known: &Known<'_>, number: u64, current: Option<u64>) -> Option<Row> {
    let on: Vec<_> = known.release(number).collect();
    let (_, first) = on.first()?;
    let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, service) in on.iter().flat_map(|(_, release)| &release.services) {
        let known = images.entry(name.clone()).or_default();
        if !known.contains(&service.image) {
            known.push(service.image.clone());
        }
    }
    let worst = on.iter().map(|(_, release)| release.status).max_by_key(|status| match status {
        ReleaseStatus::Complete => 0,
        ReleaseStatus::Started => 1,
        ReleaseStatus::Failed => 2,
    });
    let differing = on.iter().map(|(slot, release)| (slot.to_string(), says(release)));
    let by_group = |slot: &str| slot.rsplit_once('/').map(|(group, _)| group.to_owned());
    let differing: BTreeMap<String, Differing> = differing.collect();
    let disagree = differing.iter().any(|(one, says)| {
        differing.iter().any(|(other, also)| by_group(one) == by_group(other) && says != also)
    });
    Some(Row {
        release: number,
        at: moment(first.at),
        by: first.by.clone(),
        status: worst.unwrap_or(first.status),
        current: current == Some(number),
        rollback_to: known.rollback(number).map(|rollback| rollback.to),
        services: images,
        changed: changed(known, number),
        machines: if disagree { differing } else { BTreeMap::new() },
    })
}

fn says(release: &Release) -> Differing {
    let image = |(name, service): (&String, &ReleasedService)| (name.clone(), service.image.clone());
    Differing { status: release.status, services: release.services.iter().map(image).collect() }
}

/// Against what each machine that took part ran before.
fn changed(known: &Known<'_>, number: u64) -> Vec<String> {
    let mut changes = BTreeSet::new();
    for (slot, release) in known.release(number) {
        let none = BTreeMap::new();
        let before = number.checked_sub(1).and_then(|below| known.services_at(slot, below));
        let before = before.map_or(&none, |(_, services)| services);
        for (name, service) in &release.services {
            match before.get(name) {
                None => drop(changes.insert(format!("+ {name}"))),
                Some(was) if was.image != service.image || was.config != service.config => {
                    changes.insert(format!("~ {name}"));
                }
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|name| !release.services.contains_key(*name));
        changes.extend(gone.map(|name| format!("- {name}")));
    }
    changes.into_iter().collect()
}

fn cells(row: &Row) -> [String; 6] {
    let mut status = status(row.status).to_owned();
    if let Some(to) = row.rollback_to {
        status.push_str(&format!(", rollback to {to}"));
    }
    if row.current {
        status.push_str(", runs");
    }
    let when = row.at.replace('T', " ").trim_end_matches('Z').to_owned();
    let images = row
        .services
        .iter()
        .map(|(name, images)| (name, images.iter().map(|image| short(image)).collect::<Vec<_>>().join("/")));
    let images: Vec<String> = images.map(|(name, image)| format!("{name} {image}")).collect();
    [row.release.to_string(), when, row.by.clone(), status, row.changed.join(", "), images.join(", ")]
}

fn services<'a>(all: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let each: Vec<String> = all.map(|(name, image)| format!("{name} {}", short(image))).collect();
    if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
}

fn status(status: ReleaseStatus) -> &'static str {
    match status {
        ReleaseStatus::Started => "started",
        ReleaseStatus::Complete => "complete",
        ReleaseStatus::Failed => "failed",
    }
}

/// 12 digits of the digest.
fn short(image: &str) -> String {
    let digits = image.rsplit_once("sha256:").map_or(image, |(_, digits)| digits);
    digits.chars().take(12).collect()
}

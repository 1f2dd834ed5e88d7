//! `a3 status`: instances and containers, as tables or JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::difference::DifferenceRow;
use super::look::{Look, Tone};
use super::table::table;

/// The version of the JSON document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// One machine. Every text is as it is shown; an empty one is not known or does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InstanceRow {
    /// `i-…`, or empty for `host` and `local`.
    pub id: String,
    /// `web/0`.
    pub slot: String,
    /// Mnemonic name.
    pub name: String,
    /// `t2.micro`.
    pub instance_type: String,
    /// `amd64`.
    pub arch: String,
    /// `ec2-user@192.0.2.7`.
    pub address: String,
    /// `ami-…`.
    pub ami: String,
    /// `running`, or why it could not be asked.
    pub state: String,
    /// `3h 07m`.
    pub age: String,
    /// What is left, `4h 53m`.
    pub ttl: String,
    /// When it ends itself, RFC 3339.
    pub ends: String,
    /// What differs from the spec, in a few words.
    pub drift: String,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ContainerRow {
    /// `web/0`.
    pub slot: String,
    /// The service.
    pub service: String,
    /// The container's name.
    pub container: String,
    /// `sha256:` and 12 digits.
    pub digest: String,
    /// Of its image on the machine, unpacked: `12.0 MB`.
    pub size: String,
    /// The same in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// `running`, `exited (1)`; `missing` where the spec has a service and the machine no container.
    pub state: String,
    /// Of one that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// How often its restart policy has started it again.
    pub restarts: u64,
    /// Whether it is a container of `a3 run`.
    pub one_off: bool,
    /// `healthy`, where there is a HEALTHCHECK.
    pub health: String,
    /// `3h 07m`.
    pub uptime: String,
    /// `30001→30001/tcp`.
    pub ports: String,
    /// The release that made it.
    pub release: String,
    /// What differs from the spec, in a few words.
    pub drift: String,
}

/// Everything that `a3 status` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Status {
    /// The deployment.
    pub deployment: String,
    /// Machines, by slot.
    pub instances: Vec<InstanceRow>,
    /// Containers, by slot and service.
    pub containers: Vec<ContainerRow>,
    /// What differs from the spec: every field of it, where `drift` of a row has a few words.
    pub differences: Vec<DifferenceRow>,
    /// What could not be asked, or should be known.
    pub notices: Vec<String>,
}

impl Status {
    /// As tables. Ends with a newline.
    pub fn to_text(&self, look: &Look) -> String {
        let mut parts = vec![format!("Deployment {}\n", look.paint(Tone::Strong, &self.deployment))];
        if self.instances.is_empty() && self.containers.is_empty() {
            parts.push("Nothing of it is there.\n".to_owned());
        }
        if !self.instances.is_empty() {
            let titles = [
                "SLOT", "ID", "NAME", "TYPE", "ARCH", "ADDRESS", "AMI", "STATE", "AGE", "TTL", "ENDS",
                "DRIFT",
            ];
            let rows: Vec<_> = self.instances.iter().map(instance_cells).collect();
            parts.push(table(look, titles, &rows));
        }
        if !self.containers.is_empty() {
            let titles = [
                "SLOT",
                "SERVICE",
                "CONTAINER",
                "DIGEST",
                "SIZE",
                "STATE",
                "RESTARTS",
                "HEALTH",
                "UPTIME",
                "PORTS",
                "RELEASE",
                "DRIFT",
            ];
            let rows: Vec<_> = self.containers.iter().map(container_cells).collect();
            parts.push(table(look, titles, &rows));
        }
        let notices: String = self.notices.iter().map(|text| super::error::note_text(look, text)).collect();
        if !notices.is_empty() {
            parts.push(notices);
        }
        parts.join("\n")
    }

    /// As one JSON document. Ends with a newline.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.document()).unwrap_or_default() + "\n"
    }

    /// As one JSON document in one line.
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(&self.document()).unwrap_or_default() + "\n"
    }

    fn document(&self) -> Document<'_> {
        Document { format_version: FORMAT_VERSION, status: self }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    #[serde(flatten)]
    status: &'a Status,
}

/// Text drawn over what a terminal of this size shows, with what does not fit cut off.
pub fn frame(text: &str, rows: usize, columns: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let room = rows.saturating_sub(2).max(1);
    let mut drawn = String::from("\u{1b}[H");
    let mut draw = |line: &str| {
        drawn.push_str(&console::truncate_str(line, columns, "…"));
        // To the end of the line, which the picture before may have filled.
        drawn.push_str("\u{1b}[K\n");
    };
    lines.iter().take(room).for_each(|line| draw(line));
    if let Some(more) = lines.len().checked_sub(room).filter(|more| *more > 0) {
        draw(&format!("… and {}", super::words::counted(more, "more line")));
    }
    drawn.push_str("\u{1b}[J");
    drawn
}

fn instance_cells(row: &InstanceRow) -> [String; 12] {
    let InstanceRow { id, slot, name, instance_type, arch, address, ami, state, age, ttl, ends, drift } =
        row.clone();
    [slot, id, name, instance_type, arch, address, ami, state, age, ttl, ends, drift]
}

fn container_cells(row: &ContainerRow) -> [String; 12] {
    let ContainerRow { slot, service, container, digest, size, state, health, uptime, ports, .. } =
        row.clone();
    let ContainerRow { release, drift, .. } = row.clone();
    let service = if row.one_off { format!("{service} (run)") } else { service };
    let restarts = if row.restarts > 0 { row.restarts.to_string() } else { String::new() };
    [slot, service, container, digest, size, state, restarts, health, uptime, ports, release, drift]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let one = ContainerRow {
            slot: "web/0".into(),
            service: "s2".into(),
            container: "s2".into(),
            state: "running".into(),
            ..ContainerRow::default()
        };
        let other = ContainerRow { slot: "web/10".into(), state: "exited (1)".into(), ..one.clone() };
        let status = Status { deployment: "music".into(), containers: vec![one, other], ..Status::default() };
        let text = status.to_text(&Look::plain());
        assert_eq!(
            text,
            "Deployment music\n\n\
             SLOT    SERVICE  CONTAINER  STATE\n\
             web/0   s2       s2         running\n\
             web/10  s2       s2         exited (1)\n"
        );
        let json: serde_json::Value = serde_json::from_str(&status.to_json()).unwrap();
        assert_eq!(json["format_version"], 1);
        assert_eq!(json["containers"][1]["slot"], "web/10");
        assert_eq!(status.to_json_line().lines().count(), 1);
    }

    #[test]
    fn a_picture_fits_and_covers_the_one_before() {
        let picture = frame("one\ntwo is long\nthree\nfour\n", 5, 6);
        assert_eq!(picture, "\u{1b}[Hone\u{1b}[K\ntwo i…\u{1b}[K\nthree\u{1b}[K\n… and…\u{1b}[K\n\u{1b}[J");
        assert_eq!(frame("one\n", 24, 80), "\u{1b}[Hone\u{1b}[K\n\u{1b}[J");
    }
}

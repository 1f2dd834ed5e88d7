//! `a3 status --all-regions`: what a3 has made anywhere, as tables or JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::error::{help_text, note_text, warning_text};
use super::look::{Look, Tone};
use super::table::table;
use super::words::counted;
use crate::observed::Cause;

/// The version of the JSON document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// One instance. Every text is as it is shown; an empty one is not known or does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InstanceRow {
    /// The deployment.
    pub deployment: String,
    /// `web/0`.
    pub slot: String,
    /// `i-…`.
    pub id: String,
    /// Mnemonic name.
    pub name: String,
    /// `t2.micro`.
    pub instance_type: String,
    /// `running`.
    pub state: String,
    /// `us-west-2`.
    pub region: String,
    /// The account.
    pub account: String,
    /// `3h 07m`.
    pub age: String,
    /// What is left of its ttl, `4h 53m`.
    pub ttl: String,
    /// When it ends itself, RFC 3339.
    pub ends: String,
    /// `yes` where it is protected from termination.
    pub protected: String,
}

/// What a group keeps beside its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptRow {
    /// The deployment.
    pub deployment: String,
    /// The instance group.
    pub group: String,
    /// `us-west-2`.
    pub region: String,
    /// The account.
    pub account: String,
    /// `sg-…`.
    pub security_group: String,
    /// `key-…`.
    pub key_pair: String,
}

/// A region or caller that could not be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotAsked {
    /// The region, empty for a caller.
    pub region: String,
    /// The account, empty for a caller.
    pub account: String,
    /// Why.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Everywhere {
    /// Who looked: account and caller's ARN.
    pub callers: Vec<Caller>,
    /// By deployment, region and slot.
    pub instances: Vec<InstanceRow>,
    /// Live instances that carry a part of a3's mark; a3 neither launched them nor ends them.
    pub foreign: Vec<InstanceRow>,
    /// Security groups and key pairs.
    pub kept: Vec<KeptRow>,
    /// What could not be asked.
    pub not_asked: Vec<NotAsked>,
}

/// Who looked, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    /// Regions that answered.
    pub regions: Vec<String>,
}

impl Everywhere {
    /// As tables. Ends with a newline.
    pub fn to_text(&self, look: &Look) -> String {
        let mut parts = Vec::new();
        for Caller { account, caller, regions } in &self.callers {
            let asked = counted(regions.len(), "region");
            parts.push(format!("Account {} as {caller}, {asked}\n", look.paint(Tone::Strong, account)));
        }
        if self.instances.is_empty() {
            parts.push("No instance of a3's is there.\n".to_owned());
        } else {
            parts.push(instances(look, &self.instances));
        }
        if !self.kept.is_empty() {
            let titles = ["DEPLOYMENT", "GROUP", "REGION", "SECURITY GROUP", "KEY PAIR"];
            let rows = self.kept.iter().map(|row| {
                let KeptRow { deployment, group, region, security_group, key_pair, .. } = row.clone();
                [deployment, group, region, security_group, key_pair]
            });
            parts.push(table(look, titles, &rows.collect::<Vec<_>>()));
        }
        if !self.foreign.is_empty() {
            let about = "Tagged like a3's, but not launched by a3, and never ended by it:\n";
            parts.push(format!("{about}{}", instances(look, &self.foreign)));
        }
        parts.extend(self.not_asked_text(look));
        parts.join("\n")
    }

    fn not_asked_text(&self, look: &Look) -> Option<String> {
        let one = |one: &NotAsked| {
            let what = if one.region.is_empty() { String::new() } else { format!("{}: ", one.region) };
            let text = warning_text(look, &format!("{what}not asked: {}", one.message));
            text + &help_text(look, one.help.as_deref())
        };
        let text: String = self.not_asked.iter().map(one).collect();
        let note = "there may be more than is shown";
        (!text.is_empty()).then(|| text + &note_text(look, note))
    }

    /// As one JSON document. Ends with a newline.
    pub fn to_json(&self) -> String {
        let document = Document { format_version: FORMAT_VERSION, everywhere: self };
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}

/// What is printed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    #[serde(flatten)]
    everywhere: &'a Everywhere,
}

impl NotAsked {
    /// A region of an account, or a caller for two empty texts.
    pub fn new(account: &str, region: &str, cause: &Cause) -> Self {
        let Cause { message, help } = cause.clone();
        Self { region: region.to_owned(), account: account.to_owned(), message, help }
    }
}

fn instances(look: &Look, rows: &[InstanceRow]) -> String {
    let titles =
        ["DEPLOYMENT", "SLOT", "ID", "NAME", "TYPE", "STATE", "REGION", "AGE", "TTL", "ENDS", "PROTECTED"];
    let cells = rows.iter().map(|row| {
        let InstanceRow { deployment, slot, id, name, instance_type, state, region, .. } = row.clone();
        let InstanceRow { age, ttl, ends, protected, .. } = row.clone();
        [deployment, slot, id, name, instance_type, state, region, age, ttl, ends, protected]
    });
    table(look, titles, &cells.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_money_what_stays_and_what_is_not_known() {
        let instance = InstanceRow {
            deployment: "music".into(),
            slot: "web/0".into(),
            id: "i-1".into(),
            state: "running".into(),
            region: "us-west-2".into(),
            ..InstanceRow::default()
        };
        let foreign = InstanceRow { slot: String::new(), id: "i-2".into(), ..instance.clone() };
        let cause = Cause { message: "EC2 in x did not answer".into(), help: Some("try".into()) };
        let found = Everywhere {
            instances: vec![instance],
            foreign: vec![foreign],
            not_asked: vec![NotAsked::new("1", "x", &cause)],
            ..Everywhere::default()
        };
        assert_eq!(
            found.to_text(&Look::plain()),
            "DEPLOYMENT  SLOT   ID   STATE    REGION\n\
             music       web/0  i-1  running  us-west-2\n\n\
             Tagged like a3's, but not launched by a3, and never ended by it:\n\
             DEPLOYMENT  ID   STATE    REGION\n\
             music       i-2  running  us-west-2\n\n\
             warning: x: not asked: EC2 in x did not answer\nhelp: try\n\
             note: there may be more than is shown\n"
        );
        let empty = Everywhere::default().to_text(&Look::plain());
        assert_eq!(empty, "No instance of a3's is there.\n");
        let json: serde_json::Value = serde_json::from_str(&found.to_json()).unwrap();
        assert_eq!((&json["format_version"], &json["instances"][0]["id"]), (&1.into(), &"i-1".into()));
    }
}

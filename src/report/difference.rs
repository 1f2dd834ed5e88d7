//! How something differs from the spec: a few words for a column, and every value for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::plan_json::{OriginDocument, ShownDocument};
use super::words;
use crate::plan::Difference;
use crate::plan::reason::{FieldChange, Origin, Reason, Shown};

/// One field that differs, or one thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DifferenceRow {
    /// As in a plan: `web/0` a machine, `web/0/s2` a service there, `web.firewall` its security group.
    address: String,
    /// As in a plan's reasons: `field_drifted`, `config_changed`, `container_stopped`.
    kind: String,
    /// Whether someone or something changed it outside a3, rather than a person the spec.
    drift: bool,
    /// Its key in `deploy.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Who made it differ, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginDocument>,
    /// What a3 last asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<ShownDocument<'static>>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<ShownDocument<'static>>,
    /// What the spec says.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<ShownDocument<'static>>,
    /// The same for people.
    text: String,
}

impl DifferenceRow {
    /// One for each field; one where it is about none.
    pub fn all(address: &str, difference: &Difference) -> Vec<Self> {
        let reason = &difference.reason;
        let row = Self {
            address: address.to_owned(),
            kind: kind(reason),
            drift: reason.is_drift(),
            field: None,
            origin: None,
            asked: None,
            found: None,
            wanted: None,
            text: words::reason_text(reason),
        };
        if difference.fields.is_empty() {
            return vec![row];
        }
        difference.fields.iter().map(|field| row.clone().of(field)).collect()
    }

    fn of(self, field: &FieldChange) -> Self {
        let shown = |value: &Shown| Some(ShownDocument::of(value).owned());
        let asked = match &field.origin {
            Origin::NotKnown => Some(ShownDocument::of(&Shown::NotKnown).owned()),
            Origin::Spec => shown(&field.before),
            Origin::World => shown(&field.after),
            Origin::Both { asked } => shown(asked),
        };
        Self {
            field: Some(field.field.clone()),
            origin: OriginDocument::of(&field.origin),
            asked,
            found: shown(&field.before),
            wanted: shown(&field.after),
            ..self
        }
    }
}

/// The name that the reason has in a plan's JSON.
fn kind(reason: &Reason) -> String {
    let document = serde_json::to_value(reason).ok();
    document.and_then(|document| document["reason"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// In a few words: `settings (ports, command), stopped`.
pub fn words(differences: &[Difference]) -> String {
    let mut parts: Vec<(String, Vec<&str>)> = Vec::new();
    for difference in differences {
        let word = words::drift_text(&difference.reason);
        let fields = difference.fields.iter().map(|change| change.field.as_str());
        match parts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, known)) => known.extend(fields),
            None => parts.push((word, fields.collect())),
        }
    }
    let text = parts.into_iter().map(|(word, mut fields)| {
        // A list's elements differ one by one.
        fields.dedup();
        match fields.as_slice() {
            [] => word,
            fields => format!("{word} ({})", fields.join(", ")),
        }
    });
    text.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drifted(field: &str, before: &str, after: &str) -> Difference {
        let change = FieldChange::changed(field, Shown::text(before), Shown::text(after)).by(Origin::World);
        let (field, asked, found) = (field.to_owned(), Some(after.to_owned()), Some(before.to_owned()));
        Difference { reason: Reason::FieldDrifted { field, asked, found }, fields: vec![change] }
    }

    #[test]
    fn a_few_words_name_the_fields_of_each_kind_together() {
        let stopped = Difference { reason: Reason::InstanceStopped, fields: Vec::new() };
        let all = [drifted("a", "1", "2"), stopped, drifted("b", "1", "2")];
        assert_eq!(words(&all), "changed outside a3 (a, b), the instance is stopped");
        assert_eq!(words(&[]), "");
    }

    #[test]
    fn every_value_for_programs() {
        let rows = DifferenceRow::all("web/0", &drifted("instance_type", "t3.large", "t2.micro"));
        let row = serde_json::to_value(&rows[0]).unwrap();
        let wanted = serde_json::json!({
            "address": "web/0", "kind": "field_drifted", "drift": true, "field": "instance_type",
            "origin": "outside", "asked": "t2.micro", "found": "t3.large", "wanted": "t2.micro",
            "text": "instance_type is `t3.large`, not `t2.micro` as a3 had set it"
        });
        assert_eq!(row, wanted);
    }
}

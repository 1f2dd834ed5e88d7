//! A plan as its JSON says it.

use serde_json::Value;

use crate::process::Output;

/// The steps of `a3 plan --json`.
#[derive(Debug)]
pub(crate) struct Plan {
    document: Value,
}

impl Plan {
    #[track_caller]
    pub(crate) fn of(output: &Output) -> Self {
        let read = serde_json::from_str(&output.stdout);
        Self { document: read.unwrap_or_else(|error| panic!("{error}: {output}")) }
    }

    fn steps(&self) -> &[Value] {
        self.document["steps"].as_array().unwrap()
    }

    /// The kinds of the steps, in order; but for pruning, which depends on how many releases a borrowed
    /// machine has behind it.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let kinds = self.steps().iter().map(|step| step["kind"].as_str().unwrap());
        kinds.filter(|kind| *kind != "prune").collect()
    }

    /// The reasons of all steps of a kind.
    #[track_caller]
    pub(crate) fn reasons(&self, kind: &str) -> Vec<&str> {
        let of_kind = self.steps().iter().filter(|step| step["kind"] == kind);
        let reasons: Vec<&str> = of_kind
            .flat_map(|step| step["reasons"].as_array().unwrap())
            .map(|reason| reason["reason"].as_str().unwrap())
            .collect();
        assert!(!reasons.is_empty(), "no reason for a step `{kind}` in {:#}", self.document);
        reasons
    }

    /// Whether the one step of a kind came from the world and not from an edit of the spec.
    #[track_caller]
    pub(crate) fn is_drift(&self, kind: &str) -> bool {
        let step = self.steps().iter().find(|step| step["kind"] == kind).unwrap();
        step["reasons"].as_array().unwrap().iter().any(|reason| reason["drift"] == true)
    }

    /// Every field that differs and who made it so, over all steps: `instance_type outside`.
    pub(crate) fn origins(&self) -> Vec<String> {
        let fields = self.steps().iter().flat_map(|step| step["fields"].as_array().unwrap());
        let known = fields
            .filter_map(|field| Some(format!("{} {}", field["field"].as_str()?, field["origin"].as_str()?)));
        let mut known: Vec<String> = known.collect();
        known.sort();
        known
    }

    /// The names of the fields that change, over all steps.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let fields = self.steps().iter().flat_map(|step| step["fields"].as_array().unwrap());
        fields.map(|field| field["field"].as_str().unwrap()).collect()
    }

    /// Every field that changes and what that forces, over all steps: `command recreate`;
    /// but for pruning, as above.
    pub(crate) fn changes(&self) -> Vec<String> {
        let steps = self.steps().iter().filter(|step| step["kind"] != "prune");
        let fields = steps.flat_map(|step| step["fields"].as_array().unwrap());
        let words = |field: &Value| {
            let name = field["field"].as_str().unwrap().to_owned();
            field["forces"].as_str().map_or(name.clone(), |forces| format!("{name} {forces}"))
        };
        let mut changes: Vec<String> = fields.map(words).collect();
        changes.sort();
        changes.dedup();
        changes
    }
}

//! Why a step is planned: one source for the text and the JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::Step;
use crate::id::Digest;

/// Why a step is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// No image with this source exists, here or in the registry.
    NoImageOfSource {
        /// Digest of the source.
        source: Digest,
    },
    /// `--rebuild`, or `build.pull`.
    RebuildAsked,
    /// The source is not the one that the registry's (or running) image was built from.
    SourceChanged {
        /// The earlier one, where it is known.
        before: Option<Digest>,
        /// Now.
        after: Digest,
    },
    /// The reference is missing where it is needed.
    NotTagged,
    /// The reference points at another image.
    TagElsewhere {
        /// What it points at.
        found: Digest,
        /// Whether it was moved by someone else: the image of this source is what was deployed last.
        moved: bool,
    },
    /// The registry does not have the image.
    NotInRegistry,
    /// The registry does not say whether it has the image.
    NotVisible,
    /// Nothing is launched in the slot.
    NoInstance,
    /// It was ended by someone else.
    InstanceGone {
        /// The last one.
        id: String,
        /// Why it ended, in EC2's words, where EC2 says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// It is stopped.
    InstanceStopped,
    /// `--replace`.
    ReplaceAsked,
    /// A field of the spec changed; [`FieldChange`] has the values.
    FieldsChanged,
    /// A field of something that keeps no record of what was asked for last: whether the spec changed, or
    /// somebody changed the thing, is not known.
    FieldsDiffer,
    /// A field was changed outside a3: in the console, by `docker update`.
    FieldDrifted {
        /// Its key in `deploy.yaml`.
        field: String,
        /// What a3 last asked for; `None`: nothing, or only its hash was kept.
        asked: Option<String>,
        /// What it is now; `None`: there is none.
        found: Option<String>,
    },
    /// The slot or group left the spec.
    LeftSpec,
    /// The group names security groups of its own instead.
    OwnGroups,
    /// A person asked for a destroy.
    Destroy,
    /// Something does not exist yet.
    Missing,
    /// Something that a3 had made does not exist any more, although what was made with it does.
    Gone,
    /// A rule of the firewall is missing.
    RuleMissing {
        /// `22 from A.B.C.D/32`.
        rule: String,
        /// Whether somebody took it away: a3 had opened it. Where the group does not say so, the port is
        /// that of a release, and no rule for it is left.
        removed: bool,
    },
    /// A rule of the firewall is not wanted any more.
    RuleUnwanted {
        /// `30001 from 0.0.0.0/0`.
        rule: String,
        /// Whether somebody else opened it, in a3's name.
        #[serde(default)]
        added: bool,
    },
    /// Docker is not installed there.
    DockerMissing,
    /// Docker is installed there and does not run.
    DockerStopped,
    /// Whether the machine has Docker is known when it answers.
    DockerUnknown,
    /// The keys in a3's part of `authorized_keys` are not those of the spec.
    KeysDiffer,
    /// A file is not on the machine.
    FileMissing {
        /// There.
        target: String,
    },
    /// A file was edited here.
    FileEdited {
        /// There.
        target: String,
    },
    /// Another file is in its place, which a3 did not put there.
    FileNotOurs {
        /// There.
        target: String,
    },
    /// A file was changed on the machine.
    FileDrifted {
        /// There.
        target: String,
    },
    /// The permission bits differ.
    ModeDiffers {
        /// There.
        target: String,
        /// Found.
        before: u32,
        /// Wanted.
        after: u32,
        /// Whether it was changed on the machine, not in the spec.
        there: bool,
    },
    /// There is no container.
    NoContainer,
    /// A container that a3 had made is gone.
    ContainerGone,
    /// The container does not run.
    ContainerStopped {
        /// In words: `exited with 137`.
        state: String,
    },
    /// A person stopped the container through a3.
    StoppedByPerson {
        /// Who, `user@machine`.
        by: String,
    },
    /// A person asked for just this.
    Asked {
        /// What was typed: `stop`, `restart`.
        command: String,
    },
    /// The container is unhealthy.
    Unhealthy,
    /// It runs another image.
    ImageChanged {
        /// What it runs.
        before: String,
        /// What it shall run; `None`: known after push.
        after: Option<String>,
    },
    /// Its settings changed.
    ConfigChanged,
    /// Somebody took it off the network in which services find each other.
    OffNetwork {
        /// Its name.
        network: String,
    },
    /// A swap was interrupted half-way.
    SwapInterrupted,
    /// A data file that it mounts changes.
    DataChanged {
        /// The file's target.
        target: String,
    },
    /// The image is not on the machine.
    ToPull,
    /// Newer releases are as many as `keep_releases` keeps.
    PastKeep {
        /// How many.
        keep: u32,
    },
    /// No release that stays has it.
    NotNeeded,
    /// The machine is new.
    NewMachine,
    /// The machine cannot be asked yet, and a fresh one is assumed.
    NotSeen,
    /// Its machine stops and starts.
    StopsWithMachine {
        /// Whether the engine starts it by itself (`restart`).
        comes_back: bool,
    },
}

impl Reason {
    /// Whether the world changed, rather than the spec.
    pub fn is_drift(&self) -> bool {
        matches!(
            self,
            Self::InstanceGone { .. }
                | Self::InstanceStopped
                | Self::Gone
                | Self::RuleMissing { removed: true, .. }
                | Self::RuleUnwanted { added: true, .. }
                | Self::DockerStopped
                | Self::FieldDrifted { .. }
                | Self::FileDrifted { .. }
                | Self::ModeDiffers { there: true, .. }
                | Self::ContainerGone
                | Self::ContainerStopped { .. }
                | Self::StoppedByPerson { .. }
                | Self::Unhealthy
                | Self::TagElsewhere { moved: true, .. }
                | Self::OffNetwork { .. }
        )
    }
}

impl Step {
    /// Whether the world was changed outside a3, rather than the spec by a person.
    pub fn is_drift(&self) -> bool {
        self.reasons.iter().any(Reason::is_drift)
    }
}

/// One field before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its key in `deploy.yaml` or in EC2: `instance_type`, `ports`.
    pub field: String,
    /// What it is.
    pub before: Shown,
    /// What it becomes.
    pub after: Shown,
    /// Whether this one is why the thing is replaced or restarted.
    pub forces: Option<Forces>,
    /// Who made it differ.
    #[serde(default, skip_serializing_if = "Origin::is_not_known")]
    pub origin: Origin,
}

/// Who made a field differ from the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody wrote down what was asked for last.
    #[default]
    NotKnown,
    /// A person edited the spec.
    Spec,
    /// It was changed outside a3, and the spec is as it was.
    World,
    /// Both.
    Both {
        /// What a3 last asked for.
        asked: Shown,
    },
}

impl Origin {
    /// Whether nobody can say.
    pub fn is_not_known(&self) -> bool {
        *self == Self::NotKnown
    }
}

/// Why a step is planned that changes these fields: what was changed outside a3 field by field, then
/// whether the spec changed too.
pub(super) fn of_fields(fields: &[FieldChange]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = fields.iter().filter_map(FieldChange::drifted).collect();
    let has = |origin: fn(&Origin) -> bool| fields.iter().any(|field| origin(&field.origin));
    if has(|origin| matches!(origin, Origin::Spec | Origin::Both { .. })) {
        reasons.push(Reason::FieldsChanged);
    }
    if has(Origin::is_not_known) {
        reasons.push(Reason::FieldsDiffer);
    }
    reasons
}

impl FieldChange {
    /// A field of something new.
    pub fn new(field: impl Into<String>, after: Shown) -> Self {
        Self { field: field.into(), before: Shown::Nothing, after, forces: None, origin: Origin::NotKnown }
    }

    /// A field that changes.
    pub fn changed(field: impl Into<String>, before: Shown, after: Shown) -> Self {
        Self { field: field.into(), before, after, forces: None, origin: Origin::NotKnown }
    }

    /// Says who made it differ.
    #[must_use]
    pub fn by(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The reason that it was changed outside a3, if it was.
    pub(super) fn drifted(&self) -> Option<Reason> {
        let text = |shown: &Shown| match shown {
            Shown::Text(text) => Some(text.clone()),
            _ => None,
        };
        let asked = match &self.origin {
            Origin::World => &self.after,
            Origin::Both { asked } => asked,
            Origin::NotKnown | Origin::Spec => return None,
        };
        let (asked, found) = (text(asked), text(&self.before));
        Some(Reason::FieldDrifted { field: self.field.clone(), asked, found })
    }

    /// Says what the change forces.
    #[must_use]
    pub fn forcing(mut self, forces: Forces) -> Self {
        self.forces = Some(forces);
        self
    }
}

/// What a change of a field forces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forces {
    /// A new machine.
    Replacement,
    /// A stop and start of the machine.
    StopStart,
    /// A new container.
    Recreate,
}

/// A value as a plan may show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// As it is.
    Text(String),
    /// A list whose order counts: an argument list.
    List(Vec<String>),
    /// A secret.
    Sensitive,
    /// Known after this step kind: `launch`, `push`.
    KnownAfter(String),
    /// Only its hash was kept.
    NotKnown,
    /// There is none.
    Nothing,
}

impl Shown {
    /// The text of anything.
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// The text of something that may be absent.
    pub fn maybe(value: Option<impl ToString>) -> Self {
        value.map_or(Self::Nothing, |value| Self::Text(value.to_string()))
    }
}

//! The image ladder: found in the registry → needs tag → needs push → needs build. It yields only
//! the missing steps, and none when the registry has the image.

use super::draft::{Draft, NewStep};
use super::reason::{FieldChange, Reason, Shown};
use super::step::{Action, BlockedKind, Build, Change, Image, Push, StepId, Tag, TagFrom};
use super::{ImageGoal, Options};
use super::{diff, names};
use crate::id::Digest;
use crate::observed::{HostSeen, ImageSeen, LocalImage, Observed, RemoteSeen, Seen, Unchecked};
use crate::record::ReleaseStatus;
use crate::spec::{Machine, Service, Spec};

/// What services run, and the step that has to come first.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) image: Image,
    /// Compressed bytes, where the registry said.
    pub(crate) size: Option<u64>,
    pub(crate) after: Option<StepId>,
}

/// Whose image is asked for, and what is known.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) service: &'a Service,
    pub(crate) seen: &'a ImageSeen,
    pub(crate) observed: &'a Observed,
}

/// Plans one service's image; `None` when that is blocked.
pub(crate) fn plan(asked: &Asked<'_>, options: &Options, draft: &mut Draft) -> Option<Wanted> {
    let Asked { spec, service, seen, observed } = *asked;
    let on_local = matches!(spec.groups.get(&service.on).map(|group| &group.machine), Some(Machine::Local));
    let rebuild = options.rebuild.contains(&service.name);
    let ladder = Ladder { spec, service, seen, observed, rebuild };
    let first = draft.steps.len();
    let for_engine = match options.images {
        ImageGoal::Deployed => on_local,
        ImageGoal::Built => true,
        ImageGoal::Pushed => false,
    };
    let wanted = match &seen.source {
        Some(source) if for_engine => ladder.for_local_engine(source, draft),
        Some(source) => ladder.for_registry(source, draft),
        None => ladder.only_pulled(on_local, draft),
    };
    if wanted.is_some() && draft.steps.len() == first {
        draft.unchanged.push(ladder.address());
    }
    wanted
}

struct Ladder<'a> {
    spec: &'a Spec,
    service: &'a Service,
    seen: &'a ImageSeen,
    observed: &'a Observed,
    rebuild: bool,
}

impl Ladder<'_> {
    fn address(&self) -> String {
        format!("{}.image", self.service.name)
    }

    fn repository(&self) -> String {
        names::repository(&self.service.image)
    }

    fn local_name(&self, source: &Digest) -> String {
        names::local_image(&self.spec.name, &self.service.name, source)
    }

    fn source_tag(&self, source: &Digest) -> String {
        format!("{}:{}", self.repository(), names::source_tag(source))
    }

    /// Built, tagged, run by image id; the registry is not asked.
    fn for_local_engine(&self, source: &Digest, draft: &mut Draft) -> Option<Wanted> {
        let built = self.built(source);
        if let (Some(image), Some(tagged)) = (built, self.seen.local_reference.present())
            && tagged.id == image.id
        {
            let image = Image::Local { id: image.id.clone() };
            return Some(Wanted { image, size: None, after: None });
        }
        let build = self.build_unless(built, source, draft)?;
        let tag = self.tag_in_engine(source, build, draft);
        let image = match built {
            Some(image) => Image::Local { id: image.id.clone() },
            None => Image::From { step: build.unwrap_or(tag), repository: None },
        };
        Some(Wanted { image, size: None, after: Some(tag) })
    }

    fn for_registry(&self, source: &Digest, draft: &mut Draft) -> Option<Wanted> {
        if !self.rebuild {
            if let Some(wanted) = self.already_in_registry(source, draft) {
                return Some(wanted);
            }
            for remote in [&self.seen.reference, &self.seen.source_tag] {
                if let RemoteSeen::Unreachable(cause) = remote {
                    draft.unreachable(self.address(), cause);
                    return None;
                }
            }
        }
        self.build_tag_push(source, draft)
    }

    /// The registry has an image of this source: at most the reference has to be moved to it.
    fn already_in_registry(&self, source: &Digest, draft: &mut Draft) -> Option<Wanted> {
        let kept = self.seen.source_tag.found().filter(|image| image.source.as_ref() == Some(source))?;
        let image = Image::Pinned { repository: self.repository(), digest: kept.digest.clone() };
        let size = Some(kept.size);
        let reason = match &self.seen.reference {
            RemoteSeen::Found(found) if found.digest == kept.digest => {
                return Some(Wanted { image, size, after: None });
            }
            RemoteSeen::Found(found) => {
                let moved = self.was_deployed(&format!("{}@{}", self.repository(), kept.digest));
                Reason::TagElsewhere { found: found.digest.clone(), moved }
            }
            RemoteSeen::Unreachable(cause) => {
                draft.unreachable(self.address(), cause);
                return Some(Wanted { image, size, after: None });
            }
            RemoteSeen::Absent | RemoteSeen::NotVisible | RemoteSeen::Unusable(_) | RemoteSeen::NotAsked => {
                Reason::NotTagged
            }
        };
        let from = TagFrom::Registry { reference: self.source_tag(source), digest: kept.digest.clone() };
        let tag = Tag { service: self.service.name.clone(), from, to: vec![self.service.image.clone()] };
        let change = if self.seen.reference.found().is_some() { Change::Update } else { Change::Create };
        let fields = vec![
            FieldChange::new("reference", Shown::text(&self.service.image)),
            FieldChange::new("digest", Shown::text(&kept.digest)),
        ];
        let step = NewStep::new(self.address(), change, Action::Tag(tag)).because(reason).fields(fields);
        let step = draft.add(step);
        Some(Wanted { image, size, after: Some(step) })
    }

    fn build_tag_push(&self, source: &Digest, draft: &mut Draft) -> Option<Wanted> {
        let built = self.built(source);
        let build = self.build_unless(built, source, draft)?;
        let tagged = match (built, self.seen.local_reference.present()) {
            (Some(image), Some(tagged)) => image.id == tagged.id,
            _ => false,
        };
        let before = if tagged { build } else { Some(self.tag_in_engine(source, build, draft)) };
        let not_visible = matches!(self.seen.reference, RemoteSeen::NotVisible);
        let reason = if not_visible { Reason::NotVisible } else { Reason::NotInRegistry };
        let push = Push {
            service: self.service.name.clone(),
            reference: self.service.image.clone(),
            source_tag: self.source_tag(source),
            source: source.clone(),
            not_visible,
        };
        let fields = vec![
            FieldChange::new("reference", Shown::text(&self.service.image)),
            FieldChange::new("digest", Shown::KnownAfter("push".into())),
        ];
        self.unchecked_push(not_visible, draft);
        let change = if self.seen.reference.found().is_some() { Change::Update } else { Change::Create };
        let step = draft.add(
            NewStep::new(self.address(), change, Action::Push(push))
                .because(reason)
                .fields(fields)
                .after(before),
        );
        let image = Image::From { step, repository: Some(self.repository()) };
        Some(Wanted { image, size: None, after: Some(step) })
    }

    /// Only an upload says whether the credential may push; apply begins one before it builds.
    fn unchecked_push(&self, not_visible: bool, draft: &mut Draft) {
        let why = match not_visible {
            true => {
                "the registry answers alike for what is not there and what is denied; apply asks before it builds"
            }
            false => "only an upload tells; apply begins one before it builds",
        };
        let what = "the right to push".to_owned();
        draft.not_checked(self.address(), Unchecked { what, why: why.to_owned(), help: None });
    }

    /// Whether an image is what a machine's last complete release runs.
    fn was_deployed(&self, image: &str) -> bool {
        let facts = self.observed.hosts.values().filter_map(HostSeen::facts);
        let last = facts.filter_map(|facts| {
            let releases = facts.record.as_ref()?.releases.iter().rev();
            let mut complete = releases.filter(|release| release.status == ReleaseStatus::Complete);
            complete.find_map(|release| release.services.get(&self.service.name))
        });
        last.into_iter().any(|released| released.image == image)
    }

    fn elsewhere(&self, tagged: &LocalImage) -> Reason {
        let built = self.seen.local_source.present().map(|image| image.id.to_string());
        let moved = built.is_some_and(|built| self.was_deployed(&built));
        Reason::TagElsewhere { found: tagged.id.clone(), moved }
    }

    /// The local image of this source, unless it shall be built anew.
    fn built(&self, source: &Digest) -> Option<&LocalImage> {
        let image = self.seen.local_source.present()?;
        (!self.rebuild && image.source.as_ref() == Some(source)).then_some(image)
    }

    /// `None` when the engine cannot be reached, `Some(None)` when no build is needed.
    fn build_unless(
        &self,
        built: Option<&LocalImage>,
        source: &Digest,
        draft: &mut Draft,
    ) -> Option<Option<StepId>> {
        if let Seen::Unreachable(cause) = &self.seen.local_source {
            draft.unreachable(self.address(), cause);
            return None;
        }
        if built.is_some() {
            return Some(None);
        }
        let before = self.seen.reference.found().or(self.seen.source_tag.found());
        let earlier = before
            .and_then(|image| image.source.clone())
            .or_else(|| self.seen.local_reference.present().and_then(|image| image.source.clone()))
            .filter(|earlier| earlier != source);
        let fields = self.build_fields(source, earlier.as_ref());
        let reason = match earlier {
            _ if self.rebuild => Reason::RebuildAsked,
            Some(earlier) => Reason::SourceChanged { before: Some(earlier), after: source.clone() },
            None => Reason::NoImageOfSource { source: source.clone() },
        };
        let build = Build {
            service: self.service.name.clone(),
            name: self.local_name(source),
            source: source.clone(),
            platform: self.seen.platform,
        };
        let step = NewStep::new(self.address(), Change::Create, Action::Build(build));
        Some(Some(draft.add(step.because(reason).fields(fields))))
    }

    /// Everything that the build takes. Which part of the source changed is not known: of an earlier one
    /// there is only the digest.
    fn build_fields(&self, source: &Digest, earlier: Option<&Digest>) -> Vec<FieldChange> {
        let earlier = Shown::maybe(earlier.map(Digest::short));
        let mut fields = vec![
            FieldChange::new("name", Shown::Text(self.local_name(source))),
            FieldChange::changed("source", earlier, Shown::text(source.short())),
            FieldChange::new("platform", Shown::text(self.seen.platform)),
        ];
        let Some(build) = &self.service.build else { return fields };
        let mut add = |field: String, value: Shown| fields.push(FieldChange::new(field, value));
        if let Some((files, bytes)) = self.seen.context {
            let plural = if files == 1 { "" } else { "s" };
            add("context".into(), Shown::Text(format!("{files} file{plural}, {bytes} bytes")));
        }
        add("dockerfile".into(), Shown::text(&build.dockerfile));
        build.target.iter().for_each(|target| add("target".into(), Shown::text(target)));
        build.args.iter().for_each(|(name, value)| add(format!("args.{name}"), Shown::text(value)));
        build.secrets.keys().for_each(|name| add(format!("secrets.{name}"), Shown::Sensitive));
        build.labels.iter().for_each(|(name, value)| add(format!("labels.{name}"), Shown::text(value)));
        if !build.cache_from.is_empty() {
            add("cache_from".into(), Shown::List(build.cache_from.clone()));
        }
        let flags = [("pull", build.pull), ("no_cache", build.no_cache)];
        flags.iter().filter(|(_, set)| *set).for_each(|(name, _)| add((*name).into(), Shown::text(true)));
        let of_build = |key: &String| key.strip_prefix("build.").map(str::to_owned);
        let hidden: Vec<String> = self.service.interpolated.iter().filter_map(of_build).collect();
        diff::hide(&mut fields, hidden.iter());
        fields
    }

    fn tag_in_engine(&self, source: &Digest, build: Option<StepId>, draft: &mut Draft) -> StepId {
        let tag = Tag {
            service: self.service.name.clone(),
            from: TagFrom::Engine { name: self.local_name(source) },
            to: vec![self.service.image.clone(), self.source_tag(source)],
        };
        let (change, reason) = match self.seen.local_reference.present() {
            Some(tagged) => (Change::Update, self.elsewhere(tagged)),
            None => (Change::Create, Reason::NotTagged),
        };
        let reason = if build.is_some() { Reason::NotTagged } else { reason };
        let fields = vec![FieldChange::new("reference", Shown::text(&self.service.image))];
        let step = NewStep::new(self.address(), change, Action::Tag(tag)).because(reason);
        draft.add(step.fields(fields).after(build))
    }

    /// The image is named by its digest, and every machine has it: nobody else has to be asked.
    fn known_everywhere(&self) -> Option<Wanted> {
        let (repository, digest) = names::pinned(&self.service.image)?;
        let mut hosts = self.observed.hosts.iter().filter(|(slot, _)| slot.group == self.service.on);
        let pinned = format!("{repository}@{digest}");
        let has = |seen: &HostSeen| seen.facts().is_some_and(|facts| facts.repo_digests.contains(&pinned));
        let image = Image::Pinned { repository, digest };
        hosts.all(|(_, seen)| has(seen)).then_some(Wanted { image, size: None, after: None })
    }

    /// As with Compose, what the engine here has is run; that the registry may have another by now is said.
    fn run_local(&self, answer: &RemoteSeen, draft: &mut Draft) {
        let image = &self.service.image;
        let RemoteSeen::Unreachable(cause) = answer else {
            let why = "the registry did not show it, so the engine's own image is run";
            return draft.notices.push(format!("{image}: {why}"));
        };
        let what = format!("whether the registry has another {image} by now; the engine's own is run");
        let (why, help) = (cause.message.clone(), cause.help.clone());
        draft.not_checked(self.address(), Unchecked { what, why, help });
    }

    fn only_pulled(&self, on_local: bool, draft: &mut Draft) -> Option<Wanted> {
        if let Some(id) = names::image_id(&self.service.image) {
            return self.by_id(id, draft);
        }
        if let Some(known) = self.known_everywhere() {
            return Some(known);
        }
        let local = self.seen.local_reference.present().filter(|_| on_local);
        match (&self.seen.reference, local) {
            (RemoteSeen::Found(found), _) => {
                let image = Image::Pinned { repository: self.repository(), digest: found.digest.clone() };
                Some(Wanted { image, size: Some(found.size), after: None })
            }
            (answer, Some(local)) => {
                self.run_local(answer, draft);
                Some(Wanted { image: self.known_locally(local), size: None, after: None })
            }
            (RemoteSeen::Unreachable(cause), None) => {
                draft.unreachable(self.address(), cause);
                None
            }
            (RemoteSeen::Unusable(cause), None) => {
                draft.impossible(self.address(), cause);
                None
            }
            (RemoteSeen::Absent, None) => self.not_there("the registry has no such image", draft),
            (RemoteSeen::NotVisible | RemoteSeen::NotAsked, None) => {
                self.not_there("the registry denies it, or there is no such image", draft)
            }
        }
    }

    /// By the digest that it was pulled by, so that a registry which is away for once changes
    /// nothing; by id when it never was in one.
    fn known_locally(&self, local: &LocalImage) -> Image {
        let repository = self.repository();
        let digests = local.repo_digests.iter().filter_map(|known| known.split_once('@'));
        let mut own = digests.filter(|(known, _)| *known == repository);
        match own.find_map(|(_, digest)| digest.parse().ok()) {
            Some(digest) => Image::Pinned { repository, digest },
            None => Image::Local { id: local.id.clone() },
        }
    }

    /// An image that was built in the engine, as a release remembers it.
    fn by_id(&self, id: Digest, draft: &mut Draft) -> Option<Wanted> {
        match &self.seen.local_reference {
            Seen::Present(_) => Some(Wanted { image: Image::Local { id }, size: None, after: None }),
            Seen::Absent => self.not_there("the engine does not have it any more", draft),
            Seen::Unreachable(cause) => {
                draft.unreachable(self.address(), cause);
                None
            }
        }
    }

    fn not_there(&self, why: &str, draft: &mut Draft) -> Option<Wanted> {
        let why = format!("`{}`: {why}", self.service.image);
        if let Some(rollback) = &self.spec.rollback {
            let why = format!("release {} ran {why}, and no machine has it either", rollback.to);
            let help = "choose another release (a3 history, a3 rollback --to N), or push that image again";
            draft.block(self.address(), BlockedKind::Impossible, why, Some(help.to_owned()));
            return None;
        }
        let help =
            format!("add `build:` to service `{}`, or check the name and `registry:`", self.service.name);
        draft.block(self.address(), BlockedKind::Impossible, why, Some(help));
        None
    }
}

//! What the steps on a machine do: files, containers that are there, images that go, the record.

use a3::id::Slot;
use a3::observed::{ContainerState, FileSeen, HostFacts, HostSeen, KeptImage, Seen};
use a3::plan::names::label;
use a3::plan::paths;
use a3::plan::released::{all_as_they_run, update_in_place};
use a3::plan::step::{Action, Installer, Step};
use a3::record::{CopiedFile, Record, Release, ReleaseStatus, Stopped, VERSION};
use secrecy::SecretString;

use super::parts::{let_go, published, set, silence};
use super::simulate::World;
use super::world;

impl World<'_> {
    pub(super) fn host(&mut self, slot: &Slot) -> &mut HostFacts {
        let Some(HostSeen::Ready(facts)) = self.seen.hosts.get_mut(slot) else { panic!("{slot} is away") };
        // Any write makes the key and the record.
        // Another one than before where it was lost: random in reality, so of what is known under it here.
        let known = facts.containers.iter().map(|one| one.labels.get(label::CONFIG));
        let known: Vec<Option<&String>> = known.collect();
        let key = world::digest(&format!("{known:?}")).to_string();
        facts.key.get_or_insert_with(|| SecretString::from(key));
        facts.record.get_or_insert_with(|| Record { version: VERSION, ..Record::default() });
        facts
    }

    /// The release that this apply makes on a machine: complete, since all of it is done.
    pub(super) fn begun(&mut self, slot: &Slot) -> &mut Release {
        let (number, rollback) = (self.number(slot), self.spec.rollback.clone());
        let record = self.host(slot).record.clone().unwrap();
        let there = self.may_be_there(slot, &record);
        let running = all_as_they_run(self.spec, &self.seen, slot).collect();
        let releases = &mut self.host(slot).record.as_mut().unwrap().releases;
        if releases.last().is_none_or(|last| last.number != number) {
            // After a lost record, what runs as it is wanted.
            let mut services = releases.last().map_or(running, |last| last.services.clone());
            services.retain(|service, _| there.contains(service));
            let (status, by, at) = (ReleaseStatus::Complete, "me@laptop".into(), world::NOW);
            releases.push(Release { number, status, by, at, services, rollback });
        }
        releases.last_mut().unwrap()
    }

    /// The services of the last release that may still be on a machine.
    fn may_be_there(&self, slot: &Slot, record: &Record) -> Vec<String> {
        let wanted = |service: &str| self.spec.services_on(&slot.group).any(|one| one.name == service);
        let before = self.before.get(slot).and_then(HostSeen::facts);
        let wanted_here = self.spec.services_on(&slot.group).map(|one| &one.name);
        let last =
            record.releases.last().into_iter().flat_map(|last| last.services.keys()).chain(wanted_here);
        let there = last.filter(|service| {
            wanted(service)
                || match before {
                    _ if self.replaced.contains(slot) => false,
                    Some(facts) => {
                        facts.containers.iter().any(|one| one.labels.get(label::SERVICE) == Some(*service))
                    }
                    None => true,
                }
        });
        there.cloned().collect()
    }

    pub(super) fn on_host(&mut self, step: &Step) {
        match &step.action {
            Action::Copy { slot, service, files } => {
                let host = self.host(slot);
                for file in files {
                    let target = paths::resolve(&file.target, &host.base, &host.home);
                    let (digest, mode) = (file.digest.clone(), file.mode);
                    host.files.insert(target.clone(), FileSeen::File { digest: digest.clone(), mode });
                    let copied = CopiedFile { service: service.clone(), digest, mode, sudo: file.sudo };
                    host.record.as_mut().unwrap().files.insert(target, copied);
                }
            }
            Action::RemoveFiles { slot, targets } => {
                let host = self.host(slot);
                for target in targets {
                    host.files.remove(target);
                    host.record.as_mut().unwrap().files.remove(target);
                }
            }
            Action::Run(run) => self.run(run),
            Action::Prove(run) => {
                let there = &self.host(&run.slot).containers;
                let one = there.iter().find(|one| one.name == run.settings.name).unwrap();
                assert!(!matches!(one.state, ContainerState::Created), "{} was never started", one.name);
                self.write_down(run);
            }
            Action::Restart { slot, service, container, .. }
            | Action::StartContainer { slot, service, container, .. } => {
                let ports = self.spec.services.get(service).map(|service| published(&service.ports));
                let host = self.host(slot);
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                (one.state, one.health) = (ContainerState::Running, None);
                one.ports = ports.unwrap_or_default();
                host.record.as_mut().unwrap().stopped.remove(service);
            }
            Action::StopContainer { slot, service, container, .. } => {
                let removes_itself = self.spec.services.get(service).is_some_and(|one| one.auto_remove);
                let host = self.host(slot);
                silence(host, container);
                if removes_itself {
                    return host.containers.retain(|one| one.name != *container);
                }
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                // What does not run publishes nothing.
                (one.state, one.ports, one.health) = (ContainerState::Exited(0), Vec::new(), None);
                let stopped =
                    Stopped { by: "me@laptop".into(), container: one.id.clone(), started: one.started };
                host.record.as_mut().unwrap().stopped.insert(service.clone(), stopped);
            }
            Action::UpdateContainer { slot, service, container, settings } => {
                let host = self.host(slot);
                let one = host.containers.iter_mut().find(|one| one.name == *container).unwrap();
                one.in_place = Some(set(settings, one.in_place.as_ref()));
                update_in_place(host.record.as_mut().unwrap(), service, settings);
            }
            Action::RemoveContainer { slot, service, container, .. } => {
                let host = self.host(slot);
                silence(host, container);
                host.containers.retain(|one| one.name != *container);
                if step.begins_release_on(slot) {
                    self.begun(slot).services.remove(service);
                }
            }
            Action::Prune { slot, releases, tags } => {
                let host = self.host(slot);
                let record = host.record.as_mut().unwrap();
                record.releases.retain(|release| !releases.contains(&release.number));
                assert!(record.releases.iter().any(|release| release.status == ReleaseStatus::Complete));
                let_go(host, tags);
            }
            Action::RemoveImages { slot: Some(slot), tags } => {
                let host = self.host(slot);
                // What a container uses stays, as it is.
                let used = |image: &KeptImage| host.containers.iter().any(|one| image.is(&one.image_id));
                let used = host.kept.iter().filter(|image| used(image)).flat_map(|image| image.tags.clone());
                let used: Vec<String> = used.collect();
                let tags: Vec<String> = tags.iter().filter(|tag| !used.contains(tag)).cloned().collect();
                let_go(host, &tags);
            }
            Action::RemoveImages { slot: None, .. } => self.seen.built = Seen::Absent,
            Action::RemoveVolumes { slot, volumes } => {
                self.host(slot).volumes.retain(|volume| !volumes.contains(volume));
            }
            Action::CleanHost { slot } => {
                let prefix = format!("a3/{}/", self.spec.name);
                let host = self.host(slot);
                host.kept.iter_mut().for_each(|image| image.tags.retain(|tag| !tag.starts_with(&prefix)));
                host.kept.retain(|image| image.tags.iter().any(|tag| tag.starts_with(&prefix)));
                (host.record, host.key) = (None, None);
            }
            Action::Admit { slot, keys } => self.host(slot).admitted.clone_from(keys),
            Action::Install(install) => {
                let disk = self.disks.remove(&install.slot);
                let host = self.host(&install.slot);
                // What an engine had is there again when it is started.
                if let (Some(disk), Some(Installer::Start)) = (disk, install.with) {
                    (host.containers, host.kept) = (disk.containers, disk.kept);
                    (host.repo_digests, host.volumes) = (disk.repo_digests, disk.volumes);
                    host.foreign_network = disk.foreign_network;
                }
                (host.engine, host.engine_stopped) = (Seen::Present("26.1.5".into()), false);
            }
            _ => {}
        }
    }
}

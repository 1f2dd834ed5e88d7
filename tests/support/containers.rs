//! What a swap does, whole and cut off.

use a3::observed::{ContainerSeen, ContainerState, KeptImage, PublishedPort};
use a3::plan::hash;
use a3::plan::names::{self, kept_image, label, own_mark};
use a3::plan::step::{Image, Run};
use a3::record::ReleasedService;
use a3::spec::{Port, VolumeSource};

use super::parts::{published, set, silence};
use super::simulate::{Half, World};
use super::world;

impl World<'_> {
    /// First the old one has its other name, then the new one is created and does not run yet, and at last it
    /// runs alone, and nobody has written that down.
    pub(super) fn half_swap(&mut self, run: &Run, how: Half) -> bool {
        let (name, old) = (&run.settings.name, names::old_container(&run.settings.name));
        let mut before: Vec<ContainerSeen> = self.host(&run.slot).containers.clone();
        match before.iter_mut().find(|one| one.name == *name) {
            Some(one) => one.name = old,
            // One of another name keeps it.
            None if how == Half::First => return false,
            None => {}
        }
        self.begins(run);
        if how != Half::First {
            self.put(run);
            let there = self.host(&run.slot);
            if how == Half::Second {
                let new = there.containers.iter().find(|one| one.name == *name).unwrap().clone();
                before.push(ContainerSeen { state: ContainerState::Created, ports: Vec::new(), ..new });
            } else {
                before.clone_from(&there.containers);
            }
        }
        self.host(&run.slot).containers = before;
        true
    }

    pub(super) fn run(&mut self, run: &Run) {
        self.begins(run);
        self.put(run);
        self.write_down(run);
    }

    /// What was written down of one that is not there any more says nothing about the new one.
    fn begins(&mut self, run: &Run) {
        let (spec, slot) = (self.spec, &run.slot);
        let own = |one: &ContainerSeen| a3::plan::owned_service(spec, slot, one) == Some(&run.service);
        let anew = !self.host(slot).containers.iter().any(own);
        let services = &mut self.begun(slot).services;
        if anew {
            services.remove(&run.service);
        }
    }

    fn image_of(&self, run: &Run) -> String {
        match self.resolved(&run.image) {
            Image::Pinned { repository, digest } => format!("{repository}@{digest}"),
            Image::Local { id } => id.to_string(),
            Image::From { .. } => panic!("{} has no image", run.service),
        }
    }

    fn config_of(&mut self, run: &Run) -> String {
        let (service, secrets) = (&self.spec.services[&run.service], self.seen.secrets.clone());
        hash::config(&run.settings, service, &secrets, self.host(&run.slot).key.as_ref()).unwrap()
    }

    /// The new one runs, and the old one is gone.
    fn put(&mut self, run: &Run) {
        let (image, config) = (self.image_of(run), self.config_of(run));
        let (spec, number) = (self.spec, self.begun(&run.slot).number);
        let host = self.host(&run.slot);
        let name = &run.settings.name;
        let labels = [
            (label::DEPLOYMENT, spec.name.clone()),
            (label::SERVICE, run.service.clone()),
            (label::REPLICA, "0".to_owned()),
            (label::OWN, own_mark(&spec.name, &run.slot, &run.service, name)),
            (label::CONFIG, config),
            (label::IMAGE, image.clone()),
            (label::RELEASE, number.to_string()),
            (label::HOME, host.folder.clone()),
        ];
        let named = run.settings.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Named(name) => Some(names::volume(&spec.name, name)),
            VolumeSource::Bind(_) | VolumeSource::Anonymous => None,
        });
        for volume in named {
            if !host.volumes.contains(&volume) {
                host.volumes.push(volume);
            }
        }
        let ports = published(&run.settings.ports);
        let free = |one: &ContainerSeen| {
            assert!(one.name != *name || one.labels.get(label::SERVICE) == Some(&run.service), "{name}");
        };
        host.containers.iter().for_each(free);
        // Of two containers of a service the one of the higher release is the new one.
        let own =
            host.containers.iter().filter(|one| a3::plan::owned_service(spec, &run.slot, one).is_some());
        let of_service = own.filter(|one| one.labels.get(label::SERVICE) == Some(&run.service));
        for one in of_service {
            let before: u64 = one.labels[label::RELEASE].parse().unwrap();
            assert!(before < number, "{name} of release {before} makes room for release {number}");
        }
        for former in &run.formerly {
            let one = host.containers.iter().find(|one| one.name == *former).unwrap();
            assert_eq!(one.labels.get(label::SERVICE), Some(&run.service), "{former}");
        }
        for gone in run.formerly.iter().cloned().chain([name.clone(), names::old_container(name)]) {
            silence(host, &gone);
            host.containers.retain(|one| one.name != gone);
        }
        let held = |one: &ContainerSeen, port: &Port| {
            let same = |held: &PublishedPort| {
                Some(held.published) == port.published && held.protocol == port.protocol
            };
            one.state.is_up() && one.ports.iter().any(same)
        };
        for port in run.settings.ports.iter().filter(|port| port.host_ip.is_none()) {
            let holder = host.containers.iter().find(|one| held(one, port));
            assert!(holder.is_none(), "{name}: port {port:?} is already allocated: {holder:?}");
        }
        host.containers.push(ContainerSeen {
            id: format!("container of release {number}"),
            name: name.clone(),
            image_id: image.clone(),
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            state: ContainerState::Running,
            started: Some(world::NOW),
            restarts: 0,
            health: None,
            ports,
            mounts: Vec::new(),
            networks: vec![run.settings.network.clone()],
            in_place: Some(set(&run.settings.in_place, None)),
        });
        if image.contains('@') {
            host.repo_digests.insert(image);
        }
    }

    /// What was proven is kept by a tag, and this release's.
    pub(super) fn write_down(&mut self, run: &Run) {
        let (image, config) = (self.image_of(run), self.config_of(run));
        let (spec, number) = (self.spec, self.begun(&run.slot).number);
        let platform = self.seen.images.get(&run.service).map(|seen| seen.platform);
        let settings = serde_json::to_value(&run.settings).unwrap();
        let check = run.check.clone();
        let interpolated = spec.services[&run.service].interpolated.clone();
        let released =
            ReleasedService { image: image.clone(), config, settings, check, platform, interpolated };
        let host = self.host(&run.slot);
        let record = host.record.as_mut().unwrap();
        record.in_place.insert(run.service.clone(), run.settings.in_place.clone());
        record.stopped.remove(&run.service);
        let tag = kept_image(&spec.name, &run.service, number);
        host.kept.iter_mut().for_each(|kept| kept.tags.retain(|known| *known != tag));
        match host.kept.iter_mut().find(|kept| kept.is(&image)) {
            Some(kept) => kept.tags.push(tag),
            None => {
                let digests = if image.contains('@') { vec![image.clone()] } else { Vec::new() };
                host.kept.push(KeptImage { id: image, tags: vec![tag], digests });
            }
        }
        host.kept.retain(|kept| !kept.tags.is_empty());
        self.begun(&run.slot).services.insert(run.service.clone(), released);
    }
}

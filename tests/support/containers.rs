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
    /// The old one has its other name; the new one is created, and does not run yet.
    pub(super) fn half_swap(&mut self, run: &Run, how: Half) -> bool {
        let (name, old) = (&run.settings.name, names::old_container(&run.settings.name));
        let mut before: Vec<ContainerSeen> = self.host(&run.slot).containers.clone();
        match before.iter_mut().find(|one| one.name == *name) {
            Some(one) => one.name = old,
            // One of another name keeps it.
            None if run.formerly.is_empty() || how == Half::First => return false,
            None => {}
        }
        self.begun(&run.slot);
        if how == Half::Second {
            // Written down, and kept by a tag, only once it works.
            let unwritten = self.host(&run.slot).clone();
            self.run(run);
            let ran = std::mem::replace(self.host(&run.slot), unwritten);
            let new = ran.containers.into_iter().find(|one| one.name == *name).unwrap();
            before.push(ContainerSeen { state: ContainerState::Created, ports: Vec::new(), ..new });
            self.host(&run.slot).repo_digests = ran.repo_digests;
        }
        self.host(&run.slot).containers = before;
        true
    }

    pub(super) fn run(&mut self, run: &Run) {
        let image = match self.resolved(&run.image) {
            Image::Pinned { repository, digest } => format!("{repository}@{digest}"),
            Image::Local { id } => id.to_string(),
            Image::From { .. } => panic!("{} has no image", run.service),
        };
        let (spec, secrets) = (self.spec, self.seen.secrets.clone());
        let platform = self.seen.images.get(&run.service).map(|seen| seen.platform);
        let number = self.begun(&run.slot).number;
        let host = self.host(&run.slot);
        let service = &spec.services[&run.service];
        let config = hash::config(&run.settings, service, &secrets, host.key.as_ref()).unwrap();
        let record = host.record.as_mut().unwrap();
        let settings = serde_json::to_value(&run.settings).unwrap();
        let check = run.check.clone();
        let (image, config) = (image.clone(), config.clone());
        let interpolated = service.interpolated.clone();
        let (released_image, released_config) = (image.clone(), config.clone());
        let released = ReleasedService {
            image: released_image,
            config: released_config,
            settings,
            check,
            platform,
            interpolated,
        };
        record.in_place.insert(run.service.clone(), run.settings.in_place.clone());
        record.stopped.remove(&run.service);
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
        let tag = kept_image(&spec.name, &run.service, number);
        host.kept.iter_mut().for_each(|kept| kept.tags.retain(|known| *known != tag));
        match host.kept.iter_mut().find(|kept| kept.is(&image)) {
            Some(kept) => kept.tags.push(tag),
            None => {
                let digests = if image.contains('@') { vec![image.clone()] } else { Vec::new() };
                host.kept.push(KeptImage { id: image.clone(), tags: vec![tag], digests });
            }
        }
        host.kept.retain(|kept| !kept.tags.is_empty());
        if image.contains('@') {
            host.repo_digests.insert(image);
        }
        self.begun(&run.slot).services.insert(run.service.clone(), released);
    }
}

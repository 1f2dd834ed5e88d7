//! Which image a service runs.

use super::reference;
use super::service::Around;
use crate::spec::diagnostic::Problem;
use crate::spec::model::Machine;
use crate::spec::raw::service::RawService;
use crate::spec::read::Cx;
use crate::spec::source::Origin;

/// A service whose image is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: Origin,
    pub(crate) raw: &'a RawService,
    /// Its group; empty when that was refused.
    pub(crate) on: &'a str,
    pub(crate) around: &'a Around<'a>,
}

impl Asked<'_> {
    fn is_local(&self) -> bool {
        let group = self.around.groups.get(self.on);
        group.is_none_or(|group| matches!(group.machine, Machine::Local))
    }
}

/// The normalised reference; `NAME-SERVICE:latest` where none is given.
pub(crate) fn lower(asked: &Asked<'_>, cx: &mut Cx<'_>) -> String {
    let default = || format!("{}-{}:latest", asked.around.deployment, asked.name);
    let builds = !asked.raw.build.is_absent();
    let Some(image) = asked.raw.image.at() else {
        if asked.raw.image.is_absent() {
            without_image(asked, builds, cx);
        }
        return default();
    };
    let text = &image.value.0;
    let reference = match reference::parse(text) {
        Ok(reference) => reference,
        Err(wrong) => {
            let problem = Problem::new(image.at, format!("`{text}` is not an image reference"));
            cx.report(problem.label(wrong.label).help(wrong.help));
            return default();
        }
    };
    if builds && reference.pinned {
        let problem = Problem::new(image.at, "a service that is built cannot be pinned by digest");
        let tag = text.split('@').next().unwrap_or_default();
        cx.report(problem.label("the digest is known after the build").help(format!("write {tag}")));
    }
    if builds && !asked.is_local() && !asked.around.registries.contains_key(&reference.server) {
        let problem = Problem::new(image.at, format!("`{}` is not under `registry`", reference.server));
        let problem = problem.label("built here, and pushed nowhere that the instances could pull it from");
        let help = if reference.server == "docker.io" && !text.starts_with("docker.io/") {
            "write the registry's server in front, as in ghcr.io/me/NAME:v1, and add `registry: { server: ghcr.io }`"
                .to_owned()
        } else {
            format!("add `registry: {{ server: {} }}`", reference.server)
        };
        cx.report(problem.help(help));
    }
    reference.text
}

fn without_image(asked: &Asked<'_>, builds: bool, cx: &mut Cx<'_>) {
    let problem = if !builds {
        Problem::new(asked.key, format!("the service `{}` has neither `image` nor `build`", asked.name))
            .label("what does it run?")
            .help("add `image: NAME:TAG`, or `build: ./FOLDER`")
    } else if !asked.is_local() {
        let server = asked.around.registries.keys().next().map_or("ghcr.io", String::as_str);
        Problem::new(asked.key, format!("the service `{}` needs `image`", asked.name))
            .label("built here and run elsewhere: where is it pushed to?")
            .help(format!("add `image: {server}/OWNER/{}:v1`", asked.name))
    } else {
        return;
    };
    cx.report(problem);
}

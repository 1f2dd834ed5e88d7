//! `a3 init`: a first deploy.yaml.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::args::InitArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::{Session, terminal};
use crate::init::{self, Around, Found, REGID, Where, draft};
use crate::spec::{self, Inputs, Source};

/// `a3 init`
pub(crate) async fn init(session: &Session, args: &InitArgs) -> Ended {
    let path = match session.files(None).as_slice() {
        [path] => path.clone(),
        _ => return Err(Fault::new(Exit::Usage, "init writes one file", Some("a3 init --file FILE"))),
    };
    if path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = match &args.host {
        Some(address) => Where::Host(address.clone()),
        None if args.local => Where::Local,
        None => Where::Ec2,
    };
    let found = init::look(folder, &Around::here(), args.name.as_deref()).await;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = draft(&found, &place, &name);
    prove(&path, &text, args)?;
    write(&path, &text)?;
    terminal::talk(&said(&found, &place, &path));
    Ok(Exit::Done)
}

fn exists(path: &Path) -> Fault {
    let message = format!("{} is there already, and is not overwritten", path.display());
    Fault::new(
        Exit::Refused,
        message,
        Some("a3 init --file other.yaml writes another; a3 validate checks this one"),
    )
}

/// A draft that is not valid is not written: then what was typed does not fit into it.
fn prove(path: &Path, text: &str, args: &InitArgs) -> Result<(), Fault> {
    // What has to be set before a plan may have any value here.
    let env = BTreeMap::from([(REGID.to_owned(), "you".to_owned())]);
    let sources = [Source::new(path, text)];
    let files: BTreeMap<PathBuf, Result<String, String>> = BTreeMap::new();
    let inputs =
        Inputs { sources: &sources, env: &env, profiles: &BTreeSet::new(), service: None, files: &files };
    let Err(problems) = spec::parse(&inputs) else { return Ok(()) };
    let first = problems.data().into_iter().next().map(|one| one.message).unwrap_or_default();
    let typed = args.host.is_some() || args.name.is_some();
    let exit = if typed { Exit::Usage } else { Exit::Failed };
    let help = "a3 init --host USER@ADDRESS --name lower-case-name";
    Err(Fault::new(exit, format!("nothing was written: {first}"), Some(help)))
}

/// Makes the file, which must not be there: somebody else may have made it meanwhile.
fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return exists(path);
        }
        let help = format!(
            "check `ls -ld {}`",
            path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).display()
        );
        Fault::new(Exit::Failed, format!("cannot write {}: {error}", path.display()), Some(&help))
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a file is worse than none.
        std::fs::remove_file(path).ok();
        failed(error)
    })
}

/// What was found, and what to type now.
fn said(found: &Found, place: &Where, path: &Path) -> String {
    let ports: Vec<String> = match &found.dockerfile {
        Some(exposed) => exposed.ports.iter().map(|(port, _)| port.to_string()).collect(),
        None => Vec::new(),
    };
    let image = match (&found.dockerfile, ports.as_slice()) {
        (None, _) => "no Dockerfile here: an image from a registry, as an example".to_owned(),
        (Some(_), []) => "the Dockerfile, which exposes no port: add `ports`".to_owned(),
        (Some(_), ports) => format!("the Dockerfile, with port {}", ports.join(", ")),
    };
    let machine = match place {
        Where::Ec2 => {
            format!("EC2, {}", found.region.as_deref().unwrap_or("us-west-2 (nothing here names a region)"))
        }
        Where::Host(address) => address.clone(),
        Where::Local => "this machine's Docker engine".to_owned(),
    };
    let mut text = format!("Wrote {}: {} from {image}; on {machine}.\n", path.display(), found.name);
    text.push_str("Read it, and change what does not fit. Then:\n\n");
    for (why, what) in found.to_do(place, &path.display().to_string()) {
        text.push_str(&format!("  # {why}\n  {what}\n"));
    }
    text
}

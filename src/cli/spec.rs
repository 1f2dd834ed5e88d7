//! `a3 validate`, `schema`, `config`.

use super::args::{SpecFile, Validate};
use super::exit::Exit;
use super::fault::Ended;
use super::{Session, terminal};
use crate::spec;

/// `a3 validate`
pub(crate) fn validate(session: &Session, args: &Validate) -> Ended {
    let loaded = session.load_raw(args.spec.spec.as_ref());
    if args.json {
        terminal::data(&crate::load::validation_document(&loaded));
    }
    match loaded {
        Ok(loaded) => {
            if !args.json {
                let spec = &loaded.spec;
                let machines = spec.slots().count();
                let text = format!("{} is valid: {} services, {machines} machines\n", spec.name, spec.services.len());
                terminal::data(&text);
            }
            Ok(Exit::Done)
        }
        Err(error) if args.json => Err(super::fault::Fault::said(session.exit_of(&error))),
        Err(error) => Err(session.fault_of(&error)),
    }
}

/// `a3 schema`
pub(crate) fn schema() -> Ended {
    let schema = serde_json::to_string_pretty(&spec::schema()).unwrap_or_default();
    terminal::data(&(schema + "\n"));
    Ok(Exit::Done)
}

/// `a3 config`
pub(crate) fn config(session: &Session, args: &SpecFile) -> Ended {
    let text = crate::load::config(&session.files(args.spec.as_ref()), &session.global.profile);
    terminal::data(&text.map_err(|error| session.fault_of(&error))?);
    Ok(Exit::Done)
}

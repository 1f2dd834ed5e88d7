//! `a3 validate`, `schema`, `config`.

use serde_json::json;

use super::args::{SpecFile, Validate};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::{Session, terminal};
use crate::explain::{Explain as _, chain};
use crate::load::{LoadError, Loaded, load_config};
use crate::report::words::counted;
use crate::spec;

/// The version of `validate --json`.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// `a3 validate`
pub(crate) fn validate(session: &Session, args: &Validate) -> Ended {
    let loaded = session.load_raw(args.spec.spec.as_ref());
    if args.json {
        let text = serde_json::to_string_pretty(&document(&loaded)).unwrap_or_default();
        terminal::data(&(text + "\n"));
        return if loaded.is_ok() { Ok(Exit::Done) } else { Err(Fault::said(Exit::BadSpec)) };
    }
    let loaded = loaded.map_err(|error| session.fault_of(&error))?;
    let spec = &loaded.spec;
    let (services, machines) = (spec.services.len(), spec.slots().count());
    let text = format!(
        "{} is valid: {} on {}\n",
        spec.name,
        counted(services, "service"),
        counted(machines, "machine")
    );
    terminal::data(&text);
    Ok(Exit::Done)
}

fn document(loaded: &Result<Loaded, LoadError>) -> serde_json::Value {
    let problems = match loaded {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(diagnostics)) => {
            diagnostics.data().iter().filter_map(|one| serde_json::to_value(one).ok()).collect()
        }
        Err(error) => vec![json!({ "message": chain(error), "help": error.help() })],
    };
    json!({ "format_version": FORMAT_VERSION, "valid": loaded.is_ok(), "problems": problems })
}

/// `a3 schema`
pub(crate) fn schema() -> Ended {
    let schema = serde_json::to_string_pretty(&spec::schema()).unwrap_or_default();
    terminal::data(&(schema + "\n"));
    Ok(Exit::Done)
}

/// `a3 config`
pub(crate) fn config(session: &Session, args: &SpecFile) -> Ended {
    let config = load_config(&session.files(args.spec.as_ref()), &session.global.profile);
    let config = config.map_err(|error| session.fault_of(&error))?;
    terminal::data(config.to_yaml());
    Ok(Exit::Done)
}

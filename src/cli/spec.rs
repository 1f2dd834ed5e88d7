//! `a3 validate`, `schema`, `config`.

use super::args::{SchemaArgs, SchemaOf, SpecFile, Validate};
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::{Session, terminal};
use crate::explain::{Explain as _, chain};
use crate::load::{LoadError, Loaded, load_config};
use crate::report::validation::Validation;
use crate::report::words::counted;
use crate::spec::{self, DiagnosticData};

/// `a3 validate`
pub(crate) fn validate(session: &Session, args: &Validate) -> Ended {
    let loaded = session.load_raw(args.spec.spec.as_ref());
    if args.json {
        terminal::data(&Validation::of(problems(&loaded)).to_json());
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

fn problems(loaded: &Result<Loaded, LoadError>) -> Vec<DiagnosticData> {
    match loaded {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(diagnostics)) => diagnostics.data(),
        Err(error) => {
            let (message, help) = (chain(error), error.help());
            vec![DiagnosticData { file: None, line: None, column: None, message, help }]
        }
    }
}

/// `a3 schema`
pub(crate) fn schema(args: &SchemaArgs) -> Ended {
    let schema = match args.of {
        SchemaOf::Deploy => spec::schema(),
        SchemaOf::Output(document) => document.schema(),
    };
    terminal::data(&format!("{schema:#}\n"));
    Ok(Exit::Done)
}

/// `a3 config`
pub(crate) fn config(session: &Session, args: &SpecFile) -> Ended {
    let config = load_config(&session.files(args.spec.as_ref()), &session.global.profile);
    let config = config.map_err(|error| session.fault_of(&error))?;
    terminal::data(config.to_yaml());
    Ok(Exit::Done)
}

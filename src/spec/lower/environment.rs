//! A container's environment.

use indexmap::IndexMap;
use secrecy::SecretString;

use crate::spec::diagnostic::Problem;
use crate::spec::dotenv;
use crate::spec::model::EnvValue;
use crate::spec::raw::service::RawService;
use crate::spec::read::Cx;
use crate::spec::shapes::PairValue;

/// Files first, then `environment`, which wins. Files of inactive services are not asked for.
pub(crate) fn lower(raw: &RawService, active: bool, cx: &mut Cx<'_>) -> IndexMap<String, EnvValue> {
    let mut environment = IndexMap::new();
    let files = raw.env_file.get().into_iter().flat_map(|list| &list.0);
    for entry in files.filter(|_| active) {
        let file = &entry.value;
        let Some(text) = cx.file(entry.at, &file.path, file.required) else { continue };
        let variables = if file.raw { Ok(dotenv::parse_raw(&text)) } else { dotenv::parse(&text, cx.env) };
        match variables {
            Ok(variables) => {
                let values = variables.into_iter();
                environment.extend(values.map(|(name, value)| (name, resolved(value))));
            }
            Err(error) => {
                let message = format!("{}: {error}", file.path.display());
                cx.report(Problem::new(entry.at, message).label("read because of this"));
            }
        }
    }
    for (name, pair) in raw.environment.get().iter().flat_map(|pairs| &pairs.0) {
        let value = match &pair.value {
            PairValue::Text { text, interpolated: true } => resolved(text.clone()),
            PairValue::Text { text, interpolated: false } => EnvValue::Plain(text.clone()),
            PairValue::Secret(source) => EnvValue::Secret(source.clone()),
            // As in Compose: a bare name passes on what is set, and takes away what the image sets otherwise.
            PairValue::Inherited => cx.env.get(name).cloned().map_or(EnvValue::Unset, resolved),
        };
        environment.insert(name.clone(), value);
    }
    environment
}

fn resolved(value: String) -> EnvValue {
    EnvValue::Resolved(SecretString::from(value))
}

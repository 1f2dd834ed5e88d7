//! `a3 history`.

use super::args::HistoryArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, Wish};
use super::{Session, terminal};
use crate::observe::secrets::Consent;
use crate::observed::{HostSeen, NotYet, Observed};
use crate::plan::Destroy;
use crate::report::history;

/// `a3 history`
pub(crate) async fn history(session: &Session, args: &HistoryArgs) -> Ended {
    let spec = session.load(None)?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let notices = unseen(&looked.observed);
    let known = crate::plan::rollback::history(&looked.observed);
    let document = history::History::of(&spec.name, &known, notices, args.all);
    if args.json {
        terminal::data(&document.to_json());
    } else {
        terminal::data(&document.to_text(&session.data_look));
    }
    let unreachable = looked.observed.hosts.values().any(|seen| matches!(seen, HostSeen::Unreachable(_)));
    // Whoever asks and gets no answer must not take it for "nothing was released".
    if unreachable { Err(Fault::said(Exit::Unreachable)) } else { Ok(Exit::Done) }
}

fn unseen(observed: &Observed) -> Vec<String> {
    let why = |seen: &HostSeen| match seen {
        HostSeen::Unreachable(cause) | HostSeen::Refused(cause) => Some(cause.message.clone()),
        HostSeen::NotYet(NotYet::Stopped) => Some("it is stopped".to_owned()),
        HostSeen::NotYet(NotYet::Booting | NotYet::NoRule) => Some("it does not answer (yet)".to_owned()),
        HostSeen::NotYet(NotYet::NotLaunched) | HostSeen::Ready(_) => None,
    };
    let hosts = observed.hosts.iter();
    hosts
        .filter_map(|(slot, seen)| Some(format!("what {slot} remembers is not known: {}", why(seen)?)))
        .collect()
}

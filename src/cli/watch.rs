//! `a3 status --watch`: looks again and again over the connections that there are, until Ctrl-C.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::Session;
use super::args::StatusArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::Looked;
use crate::observe::observe;
use crate::report::status::frame;
use crate::spec::Spec;

/// Between the end of a look and the next.
const PAUSE: Duration = Duration::from_secs(2);

/// A picture is drawn over the one before, which takes a terminal; documents go anywhere.
///
/// # Errors
/// 64 without either.
pub(super) fn can_watch(args: &StatusArgs) -> Result<(), Fault> {
    if args.json || std::io::stdout().is_terminal() {
        return Ok(());
    }
    let message = "--watch draws on a terminal, and standard output is none";
    Err(Fault::new(Exit::Usage, message, Some("add --json: a document a line")))
}

/// Shows what `looked` found, and from then on what is there every two seconds. Ctrl-C ends it with
/// 130, a reader that went away with 0.
pub(super) async fn watch(session: &Session, args: &StatusArgs, spec: &Spec, mut looked: Looked) -> Ended {
    loop {
        let shown = async {
            let status = super::status::status_of(spec, &looked, args.all).await;
            let text = if args.json {
                status.to_json_line()
            } else {
                let (rows, columns) = console::Term::stdout().size();
                frame(&status.to_text(&session.data_look), rows.into(), columns.into())
            };
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
        };
        let goes_on = tokio::select! {
            shown = shown => shown,
            _ = tokio::signal::ctrl_c() => return Err(Fault::said(Exit::Interrupted)),
        };
        if !goes_on {
            return Ok(Exit::Done);
        }
        let again = async {
            tokio::time::sleep(PAUSE).await;
            observe(spec, &looked.world).await
        };
        looked.observed = tokio::select! {
            observed = again => observed,
            _ = tokio::signal::ctrl_c() => return Err(Fault::said(Exit::Interrupted)),
        };
    }
}

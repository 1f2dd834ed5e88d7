//! BuildKit's status messages as activities: a vertex (step of the build graph) that starts, moves
//! bytes and ends, and its output line by line.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog, VertexStatus};

use super::redact::Redact;
use crate::event::{Activity, Sink};

/// How many last lines of each vertex are kept for a failure.
const LAST_LINES: usize = 20;

/// Longer lines are cut: the output of a step is for reading.
const LONGEST_LINE: usize = 4096;

/// Follows one build.
pub(crate) struct Progress<'a> {
    sink: Sink<'a>,
    redact: Redact,
    vertexes: HashMap<String, Seen>,
    failed: Option<FailedVertex>,
}

/// The vertex that a build failed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedVertex {
    /// `[2/3] RUN make`.
    pub(crate) name: String,
    /// In BuildKit's words.
    pub(crate) error: String,
    /// Its last lines.
    pub(crate) output: Vec<String>,
}

#[derive(Default)]
struct Seen {
    name: String,
    status: Option<&'static str>,
    /// Bytes by what is moved, a layer say: now and in all.
    moved: BTreeMap<String, (u64, u64)>,
    last: VecDeque<String>,
    /// Per output stream, what has no newline yet.
    partial: BTreeMap<i64, Vec<u8>>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(sink: Sink<'a>, redact: Redact) -> Self {
        Self { sink, redact, vertexes: HashMap::new(), failed: None }
    }

    /// Takes one message.
    pub(crate) fn take(&mut self, status: StatusResponse) {
        for vertex in &status.vertexes {
            self.begin(vertex);
        }
        for log in &status.logs {
            self.log(log);
        }
        for moved in &status.statuses {
            self.moved(moved);
        }
        for vertex in &status.vertexes {
            self.end(vertex);
        }
        for warning in &status.warnings {
            let message = self.redact.apply(&String::from_utf8_lossy(&warning.short));
            (self.sink)(Activity::Warning { message });
        }
    }

    /// The first vertex that failed by itself, not because another had.
    pub(crate) fn into_failed(self) -> Option<FailedVertex> {
        self.failed
    }

    pub(crate) fn redact(&self) -> &Redact {
        &self.redact
    }

    fn begin(&mut self, vertex: &Vertex) {
        let name = self.redact.apply(&vertex.name);
        self.vertexes.entry(vertex.digest.clone()).or_default().name = name;
        if vertex.started.is_some() && !vertex.cached {
            self.report(&vertex.digest, "started");
        }
    }

    fn end(&mut self, vertex: &Vertex) {
        if vertex.completed.is_none() {
            return;
        }
        self.flush(&vertex.digest);
        let status = match (vertex.error.as_str(), vertex.cached) {
            ("", true) => "cached",
            ("", false) => "done",
            (error, _) if error.contains("context canceled") => "canceled",
            _ => "error",
        };
        if status == "error" && self.failed.is_none() {
            let seen = self.vertexes.get(&vertex.digest);
            self.failed = Some(FailedVertex {
                name: seen.map(|seen| seen.name.clone()).unwrap_or_default(),
                error: self.redact.apply(&vertex.error),
                output: seen.map(|seen| seen.last.iter().cloned().collect()).unwrap_or_default(),
            });
        }
        self.report(&vertex.digest, status);
    }

    /// Reports a status, once.
    fn report(&mut self, digest: &str, status: &'static str) {
        let Some(seen) = self.vertexes.get_mut(digest) else { return };
        // A vertex that had ended can be started again for another part of the graph.
        let repeats = seen.status == Some(status) || (status == "started" && seen.status.is_some());
        if repeats {
            return;
        }
        seen.status = Some(status);
        (self.sink)(seen.activity(status));
    }

    fn moved(&mut self, moved: &VertexStatus) {
        let Some(seen) = self.vertexes.get_mut(&moved.vertex) else { return };
        let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
        let (now, total) = (bytes(moved.current), bytes(moved.total));
        let before = seen.moved.insert(moved.id.clone(), (now, total));
        if before != Some((now, total)) && (now, total) != (0, 0) {
            (self.sink)(seen.activity("started"));
        }
    }

    fn log(&mut self, log: &VertexLog) {
        let Some(seen) = self.vertexes.get_mut(&log.vertex) else { return };
        let partial = seen.partial.entry(log.stream).or_default();
        partial.extend_from_slice(&log.msg);
        let Some(end) = partial.iter().rposition(|&byte| byte == b'\n') else {
            if partial.len() > LONGEST_LINE {
                self.flush(&log.vertex.clone());
            }
            return;
        };
        let rest = partial.split_off(end + 1);
        let lines = std::mem::replace(partial, rest);
        for line in lines[..end].split(|&byte| byte == b'\n') {
            self.line(&log.vertex, line);
        }
    }

    /// What came without a newline is a line when there is nothing more to come.
    fn flush(&mut self, digest: &str) {
        let Some(seen) = self.vertexes.get_mut(digest) else { return };
        for (_, partial) in std::mem::take(&mut seen.partial) {
            if !partial.is_empty() {
                self.line(digest, &partial);
            }
        }
    }

    fn line(&mut self, digest: &str, bytes: &[u8]) {
        let Some(seen) = self.vertexes.get_mut(digest) else { return };
        let text = String::from_utf8_lossy(bytes);
        // What a carriage return would have overwritten on a terminal is of no use.
        let text = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
        let mut line = self.redact.apply(text);
        if line.len() > LONGEST_LINE {
            line.truncate(line.floor_char_boundary(LONGEST_LINE));
            line.push('…');
        }
        if seen.last.len() == LAST_LINES {
            seen.last.pop_front();
        }
        seen.last.push_back(line.clone());
        (self.sink)(Activity::Output { line });
    }
}

impl Seen {
    fn activity(&self, status: &str) -> Activity {
        let done = self.moved.values().map(|(now, _)| now).sum();
        let total: u64 = self.moved.values().map(|(now, total)| total.max(now)).sum();
        // One part without a known size makes the sum unknown.
        let known = !self.moved.is_empty() && self.moved.values().all(|(_, total)| *total > 0);
        let (part, status) = (self.name.clone(), status.to_owned());
        Activity::Progress { part, status, done, total: known.then_some(total) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bollard_buildkit_proto::google::protobuf::Timestamp;

    use super::*;

    fn vertex(name: &str, started: bool, completed: bool) -> Vertex {
        let now = |is: bool| is.then_some(Timestamp { seconds: 1, nanos: 0 });
        let (started, completed) = (now(started), now(completed));
        Vertex { digest: name.into(), name: name.into(), started, completed, ..Default::default() }
    }

    fn log(vertex: &str, text: &str) -> VertexLog {
        VertexLog { vertex: vertex.into(), stream: 1, msg: text.into(), ..Default::default() }
    }

    /// What the sink got, in short, and the failure.
    fn run(messages: Vec<StatusResponse>) -> (Vec<String>, Option<FailedVertex>) {
        let got = Mutex::new(Vec::new());
        let sink = |activity: Activity| {
            got.lock().unwrap().push(match activity {
                Activity::Output { line } => format!("> {line}"),
                Activity::Progress { part, status, done, total } => match total {
                    Some(total) => format!("{part} {status} {done}/{total}"),
                    None => format!("{part} {status} {done}"),
                },
                Activity::Warning { message } => format!("warning {message}"),
                Activity::Waiting { .. } => unreachable!(),
            });
        };
        let secrets = ["hush".into()];
        let mut progress = Progress::new(&sink, Redact::new(&secrets));
        for message in messages {
            progress.take(message);
        }
        let failed = progress.into_failed();
        (got.into_inner().unwrap(), failed)
    }

    fn vertexes(vertexes: Vec<Vertex>) -> StatusResponse {
        StatusResponse { vertexes, ..Default::default() }
    }

    fn logs(logs: Vec<VertexLog>) -> StatusResponse {
        StatusResponse { logs, ..Default::default() }
    }

    #[test]
    fn a_vertex_reports_each_status_once() {
        let cached = Vertex { cached: true, ..vertex("b", true, true) };
        let (got, failed) = run(vec![
            vertexes(vec![vertex("a", false, false)]),
            vertexes(vec![vertex("a", true, false)]),
            vertexes(vec![vertex("a", true, false), cached.clone()]),
            vertexes(vec![vertex("a", true, true), cached]),
        ]);
        assert_eq!(got, ["a started 0", "b cached 0", "a done 0"]);
        assert_eq!(failed, None);
    }

    #[test]
    fn output_is_cut_into_lines_and_holds_no_secret() {
        let both = StatusResponse {
            vertexes: vec![vertex("a", true, true)],
            logs: vec![log("a", "tail")],
            ..Default::default()
        };
        let (got, _) = run(vec![
            vertexes(vec![vertex("a", true, false)]),
            logs(vec![log("a", "one\ntw"), log("a", "o\r\n10%\r20%\r\nthe hu")]),
            logs(vec![log("a", "sh!\n"), log("unknown", "x\n")]),
            both,
        ]);
        assert_eq!(got, ["a started 0", "> one", "> two", "> 20%", "> the ***!", "> tail", "a done 0"]);
    }

    #[test]
    fn bytes_add_up_and_never_pass_the_total() {
        let moved = |id: &str, current, total| VertexStatus {
            vertex: "a".into(),
            id: id.into(),
            current,
            total,
            ..Default::default()
        };
        let statuses = vec![moved("x", 5, 10), moved("y", 7, 4), moved("y", 7, 4)];
        let (got, _) = run(vec![
            vertexes(vec![vertex("a", true, false)]),
            StatusResponse { statuses, ..Default::default() },
            StatusResponse { statuses: vec![moved("z", 1, 0)], ..Default::default() },
        ]);
        assert_eq!(got, ["a started 0", "a started 5/10", "a started 12/17", "a started 13"]);
    }

    #[test]
    fn the_vertex_that_failed_by_itself_is_kept_with_its_last_lines() {
        let failing = Vertex { error: "exit code: 3 hush".into(), ..vertex("a", true, true) };
        let canceled = Vertex { error: "context canceled".into(), ..vertex("b", true, true) };
        let text: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let (got, failed) = run(vec![
            vertexes(vec![vertex("a", true, false), vertex("b", true, false)]),
            logs(vec![log("a", &text)]),
            vertexes(vec![canceled, failing]),
        ]);
        assert_eq!(got[got.len() - 2..], ["b canceled 0", "a error 0"]);
        let failed = failed.unwrap();
        assert_eq!((failed.name.as_str(), failed.error.as_str()), ("a", "exit code: 3 ***"));
        assert_eq!(failed.output.len(), LAST_LINES);
        assert_eq!(failed.output.last().unwrap(), "line 29");
    }
}

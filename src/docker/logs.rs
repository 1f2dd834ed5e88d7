//! What a container writes: read once, followed, or caught while it starts.
//!
//! The engine sends frames of 8 bytes head (stream, 0, 0, 0, length) and content, or for a terminal
//! the bytes as they are
//! (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach>).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;

use super::engine::{Engine, EngineError};

/// Lines longer than this are cut into pieces.
const LONGEST_LINE: usize = 64 << 10;

/// `2026-11-24T20:00:00.123456789Z`
const LONGEST_TIME: usize = 30;

/// Which part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on until the container ends or the stream is dropped.
    pub follow: bool,
    /// Since 1970, on the container's machine: only later lines.
    pub since: Option<Duration>,
    /// Since 1970, on the container's machine: only earlier lines.
    pub until: Option<Duration>,
    /// Only so many of the last lines.
    pub tail: Option<u32>,
    /// Whether lines carry the time.
    pub timestamps: bool,
}

impl LogOptions {
    fn path(&self, name: &str) -> String {
        let moment = |time: Duration| format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
        let mut path = format!("/containers/{name}/logs?stdout=1&stderr=1");
        if self.follow {
            path.push_str("&follow=1");
        }
        if self.timestamps {
            path.push_str("&timestamps=1");
        }
        if let Some(since) = self.since {
            path.push_str(&format!("&since={}", moment(since)));
        }
        if let Some(until) = self.until {
            path.push_str(&format!("&until={}", moment(until)));
        }
        if let Some(tail) = self.tail {
            path.push_str(&format!("&tail={tail}"));
        }
        path
    }
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Standard output, and everything of a terminal.
    Out,
    /// Standard error.
    Err,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written to.
    pub channel: Channel,
    /// RFC 3339 with nanoseconds, if asked for.
    pub time: Option<String>,
    /// As it was written, without its newline (and the carriage return before that).
    pub content: Vec<u8>,
}

impl LogLine {
    /// For people; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }
}

/// Lines as they come.
pub type LogStream = BoxStream<'static, Result<LogLine, EngineError>>;

impl Engine {
    /// A container's log. Dropping the stream ends it.
    ///
    /// # Errors
    /// At once: no such container (see [`EngineError::is_absent`]), a log driver that cannot be read,
    /// unreachable, broken. In the stream: broken.
    pub async fn logs(&self, name: &str, options: &LogOptions) -> Result<LogStream, EngineError> {
        // An id in full says no more than its beginning.
        let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let doing = format!("read the log of {}", if is_id { &name[..12] } else { name });
        let tty = self.container(name).await?.is_some_and(|detail| detail.tty);
        let response = self.stream(&doing, Request::get(options.path(name))).await?;
        Ok(self.lines(doing, response, Demux::new(tty, options.timestamps)))
    }

    /// The last lines that a container wrote, oldest first.
    ///
    /// # Errors
    /// As [`Engine::logs`].
    pub async fn tail(&self, name: &str, lines: u32) -> Result<Vec<String>, EngineError> {
        let options = LogOptions { tail: Some(lines), ..LogOptions::default() };
        let lines = self.logs(name, &options).await?;
        lines.map_ok(|line| line.text().into_owned()).try_collect().await
    }

    /// What a container writes from now on; works before it is started, when it has no log yet.
    pub(super) async fn attach(&self, id: &str) -> Result<LogStream, EngineError> {
        let doing = format!("attach to {id}");
        let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        let response = self.stream(&doing, Request::post(path)).await?;
        Ok(self.lines(doing, response, Demux::new(false, false)))
    }

    async fn stream(
        &self,
        doing: &str,
        request: http::request::Builder,
    ) -> Result<Response<Incoming>, EngineError> {
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| EngineError::Answer { doing: doing.to_owned(), source: Box::new(error) })?;
        let response = self.raw(request).await?;
        self.accepted(doing, response).await
    }

    fn lines(&self, doing: String, response: Response<Incoming>, demux: Demux) -> LogStream {
        struct State {
            engine: Engine,
            doing: String,
            body: Option<Incoming>,
            demux: Demux,
            ready: VecDeque<LogLine>,
        }
        let body = Some(response.into_body());
        let state = State { engine: self.clone(), doing, body, demux, ready: VecDeque::new() };
        let next = async |mut state: State| {
            loop {
                if let Some(line) = state.ready.pop_front() {
                    return Ok(Some((line, state)));
                }
                let Some(body) = state.body.as_mut() else { return Ok(None) };
                match body.frame().await {
                    Some(Ok(frame)) => {
                        let bytes = frame.into_data().unwrap_or_default();
                        state.ready.extend(state.demux.push(&bytes));
                    }
                    Some(Err(error)) => return Err(state.engine.broken(&state.doing, error.into())),
                    None => {
                        state.body = None;
                        state.ready.extend(state.demux.finish());
                    }
                }
            }
        };
        stream::try_unfold(state, next).boxed()
    }
}

/// Takes the engine's bytes apart into lines, wherever they are cut.
#[derive(Debug)]
struct Demux {
    tty: bool,
    timestamps: bool,
    raw: BytesMut,
    /// The line that has not ended yet, per channel.
    open: [Vec<u8>; 2],
    /// The last time of each channel.
    times: [Option<String>; 2],
}

impl Demux {
    fn new(tty: bool, timestamps: bool) -> Self {
        Self { tty, timestamps, raw: BytesMut::new(), open: [Vec::new(), Vec::new()], times: [None, None] }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        let mut lines = Vec::new();
        if self.tty {
            self.add(Channel::Out, bytes, &mut lines);
            return lines;
        }
        self.raw.extend_from_slice(bytes);
        while let Some(head) = self.raw.first_chunk::<8>() {
            let channel = if head[0] == 2 { Channel::Err } else { Channel::Out };
            let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            if self.raw.len() < 8 + length {
                break;
            }
            self.raw.advance(8);
            let content = self.raw.split_to(length);
            self.add(channel, &content, &mut lines);
        }
        lines
    }

    /// The last lines, if they did not end with a newline.
    fn finish(&mut self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for channel in [Channel::Out, Channel::Err] {
            if !self.open[channel as usize].is_empty() {
                self.close(channel, &mut lines);
            }
        }
        lines
    }

    fn add(&mut self, channel: Channel, mut content: &[u8], lines: &mut Vec<LogLine>) {
        // A long line comes in several frames, and the engine writes the time before each.
        if !self.tty && self.timestamps && !self.open[channel as usize].is_empty() {
            let time = content.iter().position(|&byte| byte == b' ');
            content = time.map_or(content, |at| &content[at + 1..]);
        }
        for piece in content.split_inclusive(|&byte| byte == b'\n') {
            self.open[channel as usize].extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.open[channel as usize].len() >= LONGEST_LINE {
                self.close(channel, lines);
            }
        }
    }

    fn close(&mut self, channel: Channel, lines: &mut Vec<LogLine>) {
        let mut content = std::mem::take(&mut self.open[channel as usize]);
        for end in [b'\n', b'\r'] {
            if content.last() == Some(&end) {
                content.pop();
            }
        }
        if !self.timestamps {
            lines.push(LogLine { channel, time: None, content });
            return;
        }
        // The rest of a line that was cut has no time of its own.
        let last = &mut self.times[channel as usize];
        if let Some(length) = time_length(&content) {
            *last = Some(String::from_utf8_lossy(&content[..length]).into_owned());
            content.drain(..(length + 1).min(content.len()));
        }
        lines.push(LogLine { channel, time: last.clone(), content });
    }
}

/// How many bytes the time takes with which the engine begins a line.
fn time_length(content: &[u8]) -> Option<usize> {
    let length = content.iter().take(LONGEST_TIME + 1).position(|&byte| byte == b' ');
    let length = length.unwrap_or(content.len());
    let time = content.get(..length).filter(|time| time.len() <= LONGEST_TIME)?;
    let is_time = time.first()?.is_ascii_digit() && time.last() == Some(&b'Z') && time.contains(&b'T');
    is_time.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], content].concat()
    }

    fn line(channel: Channel, text: &str) -> LogLine {
        LogLine { channel, time: None, content: text.into() }
    }

    #[test]
    fn frames_are_lines_wherever_the_bytes_are_cut() {
        let sent =
            [frame(1, b"one\ntwo"), frame(2, b"oops\r\n"), frame(1, " ü\n".as_bytes()), frame(1, b"end")]
                .concat();
        let expected = [
            line(Channel::Out, "one"),
            line(Channel::Err, "oops"),
            line(Channel::Out, "two ü"),
            line(Channel::Out, "end"),
        ];
        for size in 1..=sent.len() {
            let mut demux = Demux::new(false, false);
            let mut lines: Vec<_> = sent.chunks(size).flat_map(|bytes| demux.push(bytes)).collect();
            lines.extend(demux.finish());
            assert_eq!(lines, expected, "cut into {size}");
        }
    }

    #[test]
    fn a_terminal_has_no_frames() {
        let mut demux = Demux::new(true, false);
        let mut lines = demux.push(b"\x01a\r\nb");
        lines.extend(demux.finish());
        assert_eq!(lines, [line(Channel::Out, "\u{1}a"), line(Channel::Out, "b")]);
    }

    #[test]
    fn times_are_taken_off_and_a_long_lines_further_ones_dropped() {
        let mut demux = Demux::new(false, true);
        let mut lines = demux.push(&frame(1, b"2026-11-24T20:00:00.1Z hello "));
        lines.extend(demux.push(&frame(1, b"2026-11-24T20:00:00.2Z world\n")));
        lines.extend(demux.push(&frame(1, b"2026-11-24T20:00:01Z \n")));
        let with = |time: &str, text: &str| LogLine {
            channel: Channel::Out,
            time: Some(time.into()),
            content: text.into(),
        };
        assert_eq!(lines, [with("2026-11-24T20:00:00.1Z", "hello world"), with("2026-11-24T20:00:01Z", "")]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_not_kept_in_memory() {
        let mut demux = Demux::new(true, false);
        let lines = demux.push(&vec![b'x'; LONGEST_LINE + 1]);
        assert_eq!(lines.len(), 1);
        assert!(demux.finish().is_empty());
    }

    #[test]
    fn options_are_the_engines() {
        let options = LogOptions {
            follow: true,
            since: Some(Duration::new(5, 7)),
            until: Some(Duration::from_secs(9)),
            tail: Some(3),
            timestamps: true,
        };
        let path = "/containers/s2/logs?stdout=1&stderr=1&follow=1&timestamps=1&since=5.000000007&until=9.000000000&tail=3";
        assert_eq!(options.path("s2"), path);
        assert_eq!(LogOptions::default().path("s2"), "/containers/s2/logs?stdout=1&stderr=1");
    }
}

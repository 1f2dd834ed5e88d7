//! Stop one container and start another, both requests on one connection, so that nothing waits for
//! an answer to travel while neither runs. The engine works through a connection in order
//! (pipelining, RFC 9112 §9.3.2), which hyper's client cannot send.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::engine::{Engine, EngineError, refused};
use super::transport::{ByteStream, TransportError};

/// A start takes at most so long: the runtime, the network, the ports.
const START: Duration = Duration::from_secs(120);

/// An error answer is a line of text; more than this is not one.
const LONGEST_ANSWER: usize = 1 << 20;

impl Engine {
    /// Stops `stop` within `grace` and starts `start` right after it.
    ///
    /// A container to stop that is stopped or not there is fine, one to start that runs too. If the
    /// stop is refused, the engine tries the start nevertheless, and the error is the stop's.
    ///
    /// # Errors
    /// Unreachable (nothing was done), broken (nobody knows), refused.
    pub(super) async fn exchange(&self, stop: &str, grace: Duration, start: &str) -> Result<(), EngineError> {
        let doing = format!("stop {stop} and start {start}");
        let stream = self.dial().dial().await;
        let stream = stream.map_err(|error| self.broken(&doing, TransportError::Dial(error)))?;
        let seconds = grace.as_secs();
        let requests = format!(
            "POST /containers/{stop}/stop?t={seconds} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n\
             POST /containers/{start}/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let limit = START.saturating_add(grace).saturating_add(START);
        let work = send(stream, requests.as_bytes());
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| EngineError::Broken {
            engine: self.name(),
            doing: doing.clone(),
            source,
        };
        let [stopped, started] = match tokio::time::timeout(limit, work).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => return Err(broken(Box::new(error))),
            Err(late) => return Err(broken(Box::new(late))),
        };
        if !matches!(stopped.status, 200..=299 | 304 | 404) {
            return Err(refused(&format!("stop {stop}"), stopped.status, &stopped.body));
        }
        match started.status {
            200..=299 | 304 => Ok(()),
            status => Err(refused(&format!("start {start}"), status, &started.body)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

async fn send(mut stream: ByteStream, requests: &[u8]) -> io::Result<[Answer; 2]> {
    stream.write_all(requests).await?;
    stream.flush().await?;
    let mut reader = BufReader::new(stream);
    Ok([answer(&mut reader).await?, answer(&mut reader).await?])
}

/// Reads one answer and nothing of the next.
async fn answer<R: tokio::io::AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<Answer> {
    let head = line(reader).await?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| not_http(&head))?;
    let mut length = None;
    let mut chunked = false;
    loop {
        let header = line(reader).await?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { return Err(not_http(&header)) };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok(),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if matches!(status, 204 | 304) {
        return Ok(Answer { status, body });
    }
    if !chunked {
        body = piece(reader, length.unwrap_or(0)).await?;
        return Ok(Answer { status, body });
    }
    loop {
        let size = line(reader).await?;
        let size = size.split(';').next().unwrap_or_default().trim().to_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| not_http(&size))?;
        body.extend(piece(reader, size).await?);
        line(reader).await?;
        if size == 0 {
            return Ok(Answer { status, body });
        }
        if body.len() > LONGEST_ANSWER {
            return Err(not_http("an endless answer"));
        }
    }
}

async fn line<R: tokio::io::AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<String> {
    let mut text = String::new();
    if reader.take(LONGEST_ANSWER as u64).read_line(&mut text).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end().to_owned())
}

async fn piece<R: tokio::io::AsyncBufRead + Unpin>(reader: &mut R, length: usize) -> io::Result<Vec<u8>> {
    if length > LONGEST_ANSWER {
        return Err(not_http("an endless answer"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn not_http(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> io::Result<Vec<Answer>> {
        let mut reader = BufReader::new(text.as_bytes());
        let mut answers = Vec::new();
        while !reader.fill_buf().await?.is_empty() {
            answers.push(answer(&mut reader).await?);
        }
        Ok(answers)
    }

    #[tokio::test]
    async fn answers_of_every_framing_follow_each_other() {
        let text = "HTTP/1.1 204 No Content\r\nApi-Version: 1.41\r\n\r\n\
                    HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops\
                    HTTP/1.1 304 Not Modified\r\n\r\n\
                    HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n\
                    HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let answers = read(text).await.unwrap();
        let got: Vec<(u16, &[u8])> = answers.iter().map(|answer| (answer.status, &answer.body[..])).collect();
        let expected: [(u16, &[u8]); 5] =
            [(204, b""), (500, b"oops"), (304, b""), (400, b"abc0123456789"), (404, b"")];
        assert_eq!(got, expected);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_not_http_is_an_error() {
        let cut = [
            "HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\nshort",
            "HTTP/1.1 204 x\r\nA: b\r\n",
            "SSH-2.0-x\r\n",
        ];
        for text in cut {
            assert!(read(text).await.is_err(), "{text}");
        }
        assert!(read("HTTP/1.1 500 x\r\nContent-Length: 99999999999\r\n\r\n").await.is_err());
    }
}

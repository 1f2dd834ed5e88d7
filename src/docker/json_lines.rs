//! An engine's stream of JSON objects, one a line, whatever pieces it arrives in.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde_json::Value;

/// No message of an engine comes near it; more is not a message but memory that runs out.
const LONGEST_LINE: usize = 16 << 20;

/// Reads a body line by line.
#[derive(Debug)]
pub(crate) struct JsonLines<B> {
    body: B,
    buffer: Vec<u8>,
    /// How much of `buffer` is known to hold no newline.
    searched: usize,
    ended: bool,
}

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonLinesError {
    /// The connection.
    #[error("the stream broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not JSON.
    #[error("a line is not JSON")]
    Json(#[from] serde_json::Error),
    /// A line without an end.
    #[error("a line is longer than {LONGEST_LINE} bytes")]
    TooLong,
}

impl<B> JsonLines<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(body: B) -> Self {
        Self { body, buffer: Vec::new(), searched: 0, ended: false }
    }

    /// The next object; `None` at the end. Blank lines are skipped, a last line needs no newline.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, JsonLinesError> {
        loop {
            if let Some(line) = self.line() {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            if self.ended {
                return Ok(None);
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(JsonLinesError::TooLong);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(JsonLinesError::Body(error.into())),
                None => self.ended = true,
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let newline = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
        match newline {
            Some(at) => {
                let line = self.buffer.drain(..=self.searched + at).collect();
                self.searched = 0;
                Some(line)
            }
            None if self.ended && !self.buffer.is_empty() => {
                self.searched = 0;
                Some(std::mem::take(&mut self.buffer))
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use serde_json::json;

    use super::*;

    async fn read(pieces: &[&[u8]]) -> Result<Vec<Value>, JsonLinesError> {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        let mut lines = JsonLines::new(StreamBody::new(stream::iter(frames)));
        let mut all = Vec::new();
        while let Some(value) = lines.next().await? {
            all.push(value);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn every_way_to_cut_it_gives_the_same() {
        let text = "{\"a\":1}\r\n\n{\"b\":\"é\\n\"}\n{\"c\":[2]}".as_bytes();
        let expected = vec![json!({"a": 1}), json!({"b": "é\n"}), json!({"c": [2]})];
        assert_eq!(read(&[text]).await.unwrap(), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes).await.unwrap(), expected);
        for cut in 0..text.len() {
            assert_eq!(read(&[&text[..cut], &text[cut..]]).await.unwrap(), expected, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn what_is_not_json_is_an_error() {
        assert!(matches!(read(&[b"{\"a\":1}\n<html>\n"]).await, Err(JsonLinesError::Json(_))));
        assert!(matches!(read(&[b"{\"a\":"]).await, Err(JsonLinesError::Json(_))));
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused() {
        let piece = vec![b' '; LONGEST_LINE / 2 + 1];
        assert!(matches!(read(&[&piece, &piece, &piece]).await, Err(JsonLinesError::TooLong)));
    }
}

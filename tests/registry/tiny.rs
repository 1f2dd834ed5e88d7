//! A tiny HTTP server that answers as a test says, for what a real registry does not do on request:
//! faults, tokens, redirects.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `GET /v2/`.
    pub(crate) line: String,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
}

/// What is answered: status, headers, content.
pub(crate) struct Said(pub(crate) u16, pub(crate) Vec<(&'static str, String)>, pub(crate) String);

/// A status alone.
pub(crate) fn status(status: u16) -> Said {
    Said(status, Vec::new(), String::new())
}

pub(crate) struct Tiny {
    pub(crate) server: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the accept.
        let _ = TcpStream::connect(&self.server);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

impl Tiny {
    /// `answer` gets the server's own address, what is asked and how often this line was asked before.
    pub(crate) fn start(answer: impl Fn(&str, &Asked, usize) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.61.3:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let (asked, over) = (Arc::new(Mutex::new(Vec::<Asked>::new())), Arc::new(AtomicBool::new(false)));
        let (record, end, own) = (Arc::clone(&asked), Arc::clone(&over), server.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream, &record, |asked, before| answer(&own, asked, before));
            }
        });
        Self { server, asked, over, thread: Some(thread) }
    }

    /// Every request so far, without the look whether it speaks TLS.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line.starts_with(line)).count()
    }
}

fn serve(mut stream: TcpStream, record: &Mutex<Vec<Asked>>, answer: impl Fn(&Asked, usize) -> Said) {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(read) => text.extend_from_slice(&piece[..read]),
        }
        // A TLS handshake; answered as Go's server does.
        if text[0] == 0x16 {
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
            return;
        }
    }
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let header = text.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    let authorization = header.and_then(|line| Some(line.split_once(": ")?.1.to_owned()));
    let asked = Asked { line, authorization };
    let before = {
        let mut record = record.lock().unwrap();
        let before = record.iter().filter(|earlier| earlier.line == asked.line).count();
        record.push(asked.clone());
        before
    };
    let Said(status, headers, content) = answer(&asked, before);
    let mut text =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", content.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    if !asked.line.starts_with("HEAD ") {
        text.push_str(&content);
    }
    let _ = stream.write_all(text.as_bytes());
}

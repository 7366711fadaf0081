//! A small web server on the loopback interface: GET with ranges, and faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Another status, with an empty body.
    Status(u16),
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// Other content, whatever range was asked for.
    Content(Vec<u8>),
}

/// Serves the files below a folder until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    root: PathBuf,
    stop: AtomicBool,
    faults: Mutex<BTreeMap<String, VecDeque<Fault>>>,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) fn start(root: impl Into<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            root: root.into(),
            stop: AtomicBool::new(false),
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
                let state = Arc::clone(&shared);
                // A client that hangs up in the middle is no failure of the server.
                std::thread::spawn(move || stream.and_then(|stream| state.answer(stream)));
            }
        });
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the next requests for `path` fail, one fault a request.
    pub(crate) fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut all = self.state.faults.lock().unwrap();
        all.entry(path.to_owned()).or_default().extend(faults);
    }

    /// What was asked for: the path, and the range if there was one.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl State {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut range = None;
        for line in lines {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bytes) = line.strip_prefix("range: bytes=") {
                range = Some(bytes.to_owned());
            }
        }
        let log = match &range {
            Some(range) => format!("{path} {range}"),
            None => path.clone(),
        };
        self.requests.lock().unwrap().push(log);

        let fault = self
            .faults
            .lock()
            .unwrap()
            .get_mut(&path)
            .and_then(VecDeque::pop_front);
        let content = std::fs::read(self.root.join(path.trim_start_matches('/')));
        let start = range.and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
        let (status, header, body) = match (fault.clone(), content, start) {
            (Some(Fault::Status(status)), ..) => (status, String::new(), Vec::new()),
            (Some(Fault::Content(content)), ..) => (200, String::new(), content),
            (_, Err(_), _) => (404, String::new(), Vec::new()),
            (_, Ok(content), Some(start)) if start >= content.len() => {
                (416, String::new(), Vec::new())
            }
            (_, Ok(content), Some(start)) => {
                let (last, length) = (content.len() - 1, content.len());
                let header = format!("Content-Range: bytes {start}-{last}/{length}\r\n");
                (206, header, content[start..].to_vec())
            }
            (_, Ok(content), None) => (200, String::new(), content),
        };
        let length = body.len();
        let sent = match fault {
            Some(Fault::CutAfter(bytes)) => &body[..bytes.min(length)],
            _ => &body[..],
        };
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n"
        )?;
        stream.write_all(sent)?;
        stream.flush()
    }
}

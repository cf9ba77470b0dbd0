//! Waiting until a process of the cluster serves.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use super::kubectl::Kubectl;

/// Asks until there is an answer, or until the time is over.
pub(super) fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() >= patience {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the address answers 200. What speaks TLS is asked by kubectl, as the administrator.
pub(super) fn answers(url: &str, kubectl: &Kubectl) -> bool {
    match url.strip_prefix("http://").and_then(|it| it.split_once('/')) {
        Some((host, path)) => get(host, path).is_ok_and(|answer| answer.contains(" 200 ")),
        None => kubectl.get_raw(url),
    }
}

/// The first line of the answer.
fn get(host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned() + " ")
}

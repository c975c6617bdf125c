//! An upstream that is dead, slow, or answers what it should not: a clear 502 or 504, no partial body passed as whole, and
//! an entry that says so.

use std::time::Duration;

use bascule_gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::house::House;

/// An upstream that answers every connection with `bytes`, or never.
async fn raw(bytes: Option<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/fhir", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 8_192];
                let _ = stream.read(&mut head).await;
                match bytes {
                    Some(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    None => tokio::time::sleep(Duration::from_secs(30)).await,
                }
            });
        }
    });
    url
}

fn http(content_type: &str, length: usize, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}").into())
}

async fn check(upstream: &str, status: u16, cause: &str) {
    let limits = Limits { upstream_timeout_ms: 400, upstream_connect_timeout_ms: 400, ..Limits::default() };
    let house = House::with(upstream, limits).await;
    for address in ["/Observation/oa", "/Observation?status=final"] {
        let answer = house.get(&house.patient("a"), address).await;
        assert_eq!(answer.status, status, "{cause} at {address}: {}", answer.text);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        assert!(!answer.text.contains("LEAK"), "{cause}: {}", answer.text);
        assert!(!answer.text.contains("127.0.0.1"), "{cause}: {}", answer.text);
    }
    let entries = house.entries().await;
    assert_eq!(entries.len(), 2, "{cause}");
    for entry in entries {
        assert_eq!(entry["cause"], cause);
        assert_eq!(entry["status"], status);
        assert!(entry["patients"].is_null(), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/fhir", listener.local_addr().unwrap());
    drop(listener);
    check(&url, 502, "upstream-unreachable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upstream() {
    check(&raw(None).await, 504, "upstream-timed-out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_pauses_midway() {
    let bytes = http("application/fhir+json", 1_000, "{\"resourceType\":\"Observation\",\"id\":\"LEAK\"").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/fhir", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 8_192];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&bytes).await;
            open.push(stream);
        }
    });
    check(&url, 504, "upstream-timed-out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_answers_garbage() {
    check(&raw(Some(b"\x00\x01LEAK garbage\r\n\r\n".to_vec())).await, 502, "upstream-not-http").await;
    check(&raw(http("application/fhir+json", 14, "LEAK not JSON!")).await, 502, "unfilterable").await;
    check(&raw(http("application/fhir+json", 16, "{\"LEAK\":\"a\",\"b\":")).await, 502, "unfilterable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_answers_xml() {
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"LEAK\"/></Patient>";
    check(&raw(http("application/fhir+xml", xml.len(), xml)).await, 502, "upstream-not-json").await;
    check(&raw(http("application/fhir+json", xml.len(), xml)).await, 502, "unfilterable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_closes_midway() {
    let half = "{\"resourceType\":\"Observation\",\"id\":\"LEAK\"";
    check(&raw(http("application/fhir+json", 1_000, half)).await, 502, "upstream-broke-off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_ends_early_without_saying_how_long_it_meant_to_be() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\n\r\n{\"resourceType\":\"Observation\",\"id\":\"LEAK\"";
    check(&raw(Some(half.into())).await, 502, "unfilterable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_fails_or_refuses_us() {
    for (line, status, cause) in [
        ("500 Internal Server Error", 502, "upstream-failed"),
        ("503 Service Unavailable", 503, "upstream-failed"),
        ("401 Unauthorized", 502, "upstream-refuses-us"),
        ("302 Found", 502, "upstream-failed"),
    ] {
        let bytes = format!("HTTP/1.1 {line}\r\nlocation: /LEAK\r\ncontent-length: 4\r\n\r\nLEAK");
        check(&raw(Some(bytes.into())).await, status, cause).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_compresses_unasked() {
    use std::io::Write as _;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let answer = |coded: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            coded.len()
        );
        Some([head.as_bytes(), coded].concat())
    };
    let resource = r#"{"resourceType":"Observation","id":"oa","status":"final","subject":{"reference":"Patient/a"}}"#;
    let coded = gzip(resource.as_bytes());
    let house = House::with(&raw(answer(&coded)).await, Limits::default()).await;
    let whole = house.get(&house.patient("a"), "/Observation/oa").await;
    assert_eq!((whole.status, whole.json()["id"].as_str()), (200, Some("oa")), "{}", whole.text);
    check(&raw(answer(&coded[..coded.len() - 6])).await, 502, "upstream-undecodable").await;
    let limits = Limits { stream_bytes_max: 50_000, ..Limits::default() };
    let house = House::with(&raw(answer(&gzip(&vec![b' '; 5_000_000]))).await, limits).await;
    let bomb = house.get(&house.patient("a"), "/Observation/oa").await;
    assert_eq!(bomb.status, 502, "{}", bomb.text);
}

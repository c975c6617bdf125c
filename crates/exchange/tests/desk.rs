//! The partner's side: frames over a real socket, the queue on a real disk.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at its first surprise")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bascule_crypto::Secret;
use bascule_exchange::listener::{Door, listen};
use bascule_exchange::map::Partner;
use bascule_exchange::{Desk, Event, Orders, Record, Rules};
use bascule_fhir::Timestamp;
use bascule_hl7::{Deframer, Event as Framed, Limits, frame};
use bascule_store::delivery::{Queue, State};
use bascule_wire::StreamLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ORU: &str = "MSH|^~\\&|LAB|NORTH|EHR|H|20260101120000||ORU^R01|m1|P|2.5.1\rPID|1||7^^^GHH\rOBR|1|p1|f1|718-7\r";

struct House {
    _folder: tempfile::TempDir,
    queue: Arc<Queue>,
    said: Arc<Mutex<Vec<Event>>>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

async fn house(waiting_max: u64, is_log_well: bool) -> House {
    let folder = tempfile::tempdir().unwrap();
    let queue = Arc::new(Queue::open(&folder.path().join("deliveries.db"), Secret::new([7; 32]), waiting_max).unwrap());
    let said = Arc::new(Mutex::new(Vec::new()));
    let record: Record = {
        let said = Arc::clone(&said);
        Arc::new(move |event| {
            said.lock().unwrap().push(event);
            Box::pin(async move { if is_log_well { Ok(()) } else { Err("the log is away".to_owned()) } })
        })
    };
    let desk = Desk {
        partner: Partner {
            name: "north".into(),
            base: "http://north.example".into(),
            authorities: BTreeMap::new(),
            offset_minutes: 0,
        },
        rules: Rules {
            kinds: vec!["ORU^R01".into()],
            facilities: vec!["NORTH".into()],
            processing: vec!["P".into()],
            orders: Orders::Any,
        },
        limits: Limits { message_bytes_max: 4_096, segments_max: 100 },
        queue: Arc::clone(&queue),
        blind: Secret::new([8; 32]),
        record,
        clock: Arc::new(|| NOW),
        bell: Arc::new(Notify::new()),
    };
    let door = Door {
        tls: None,
        certificates: Vec::new(),
        certificate_required: false,
        frame_timeout_ms: 500,
        idle_timeout_ms: 5_000,
        limits: StreamLimits::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(listen(listener, door, Arc::new(desk), stopped));
    House { _folder: folder, queue, said, address, stop }
}

/// Sends pieces as they are and reads until `count` frames came.
async fn exchange(house: &House, pieces: &[&[u8]], count: usize) -> Vec<String> {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let (mut deframer, mut answers, mut buffer) = (Deframer::new(4_096), Vec::new(), [0; 1_024]);
    while answers.len() < count {
        let read =
            tokio::time::timeout(std::time::Duration::from_secs(10), stream.read(&mut buffer)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        for event in deframer.push(&buffer[..read]) {
            let Framed::Frame(bytes) = event else { continue };
            answers.push(String::from_utf8(bytes).unwrap());
        }
    }
    answers
}

fn code(answer: &str) -> &str {
    answer.split("MSA|").nth(1).and_then(|rest| rest.split('|').next()).unwrap_or("none")
}

#[tokio::test]
async fn a_message_is_on_the_disk_before_it_is_acknowledged() {
    let house = house(9, true).await;
    let answers = exchange(&house, &[&frame(ORU.as_bytes())], 1).await;
    assert_eq!(code(&answers[0]), "AA");
    assert!(answers[0].contains("|ACK^R01|") && answers[0].contains("MSA|AA|m1"), "{answers:?}");
    assert_eq!(house.queue.list(State::Waiting).unwrap().len(), 1);
    assert_eq!(house.said.lock().unwrap()[0].act, "received");
}

#[tokio::test]
async fn the_same_message_is_acknowledged_again_and_kept_once() {
    let house = house(9, true).await;
    let both = [frame(ORU.as_bytes()), frame(ORU.as_bytes())].concat();
    let answers = exchange(&house, &[&both], 2).await;
    assert_eq!(answers.iter().map(|answer| code(answer)).collect::<Vec<_>>(), ["AA", "AA"]);
    assert_eq!(house.queue.list(State::Waiting).unwrap().len(), 1);
    let other = ORU.replace("718-7", "2345-7");
    let answers = exchange(&house, &[&frame(other.as_bytes())], 1).await;
    assert_eq!(code(&answers[0]), "AE");
    assert!(answers[0].contains("ERR||MSH^1^10|205^^HL70357|E"), "{answers:?}");
}

#[tokio::test]
async fn what_is_not_agreed_or_not_whole_is_refused_with_its_place() {
    let house = house(9, true).await;
    let cases = [
        (ORU.replace("ORU^R01", "ADT^A01"), "AE", "200^^HL70357"),
        (ORU.replace("NORTH", "SOUTH"), "AR", "103^^HL70357"),
        (ORU.replace("|P|2.5.1", "|T|2.5.1"), "AE", "202^^HL70357"),
        (ORU.replace("7^^^GHH", ""), "AE", "ERR||PID^1^3|101^^HL70357"),
        (ORU.replace("m1", ""), "AE", "ERR||MSH^1^10|101^^HL70357"),
        (ORU.replace("PID|", "pid|"), "AE", "ERR||?^2|100^^HL70357"),
    ];
    for (message, expected, place) in &cases {
        let answers = exchange(&house, &[&frame(message.as_bytes())], 1).await;
        assert_eq!(code(&answers[0]), *expected, "{message}");
        assert!(answers[0].contains(place), "{} lacks {place}", answers[0]);
    }
    assert!(house.queue.list(State::Waiting).unwrap().is_empty());
    assert!(house.said.lock().unwrap().iter().all(|event| event.act == "refused"));
}

#[tokio::test]
async fn enhanced_mode_commits_and_never_means_silence() {
    let house = house(9, true).await;
    let enhanced = |wish: &str| ORU.replace("|P|2.5.1", &format!("|P|2.5.1|||{wish}")).replace("m1", &wish[..2]);
    let frames =
        [frame(enhanced("NE|NE").as_bytes()), frame(enhanced("ER|NE").as_bytes()), frame(enhanced("AL|NE").as_bytes())];
    let answers = exchange(&house, &[&frames.concat()], 1).await;
    assert_eq!(code(&answers[0]), "CA");
    assert!(answers[0].contains("MSA|CA|AL"), "only the one that wanted it is answered: {answers:?}");
    assert_eq!(house.queue.list(State::Waiting).unwrap().len(), 3, "all three are kept");
}

#[tokio::test]
async fn a_full_queue_and_a_log_that_is_away_leave_the_message_with_its_sender() {
    let full = house(0, true).await;
    let answers = exchange(&full, &[&frame(ORU.as_bytes())], 1).await;
    assert_eq!(code(&answers[0]), "AR");
    let unlogged = house(9, false).await;
    let answers = exchange(&unlogged, &[&frame(ORU.as_bytes())], 1).await;
    assert_eq!(code(&answers[0]), "AR");
    assert!(answers[0].contains("207^^HL70357"));
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let house = house(9, true).await;
    let batch = format!("BHS|^~\\&|LAB\r{ORU}{}BTS|2\r", ORU.replace("m1", "m2"));
    let answers = exchange(&house, &[&frame(batch.as_bytes())], 1).await;
    assert_eq!(answers[0].matches("MSA|AA|").count(), 2);
    assert!(answers[0].starts_with("BHS|") && answers[0].ends_with("BTS|2\r"), "{answers:?}");
    let cut = batch.replace("BTS|2", "BTS|3").replace("|m", "|n");
    let answers = exchange(&house, &[&frame(cut.as_bytes())], 1).await;
    assert_eq!(code(&answers[0]), "AE");
    assert_eq!(house.queue.list(State::Waiting).unwrap().len(), 2);
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_takes_a_message_whole_or_not_at_all() {
    let house = house(1_000, true).await;
    let framed = frame(ORU.as_bytes());
    for cut in (0..framed.len()).step_by(7) {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(&framed[..cut]).await.unwrap();
        drop(stream);
    }
    let answers = exchange(&house, &[&framed[..40], &framed[40..]], 1).await;
    assert_eq!(code(&answers[0]), "AA");
    assert_eq!(house.queue.list(State::Waiting).unwrap().len(), 1);
}

#[tokio::test]
async fn a_stop_lets_the_frame_that_came_be_answered() {
    let house = house(9, true).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let framed = frame(ORU.as_bytes());
    stream.write_all(&framed[..20]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    house.stop.send(true).unwrap();
    stream.write_all(&framed[20..]).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(code(&String::from_utf8(answer).unwrap()), "AA");
}

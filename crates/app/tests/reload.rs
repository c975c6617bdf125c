//! SIGHUP under load: a new policy acts, a faulty one does not, and no request is dropped.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::Demo;

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_drops_no_request_and_a_fault_changes_nothing() {
    let mut demo = Demo::start(&["--patients", "6"]);
    let token = demo.token("scheduler-app");
    let patient = demo.token("amelie");
    let demo = Arc::new(demo);
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers = (0..4).map(|_| {
        let (demo, stop, served, patient) =
            (Arc::clone(&demo), Arc::clone(&stop), Arc::clone(&served), patient.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = demo.try_get(&patient, "/fhir/Patient/p0001").await.expect("a request was dropped");
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let callers = callers.collect::<Vec<_>>();
    assert_eq!(demo.get(&token, "/fhir/Patient/p0001").await.status, 200);

    let file = demo.data().join("policy/scheduler.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, shipped.replace("\"telecom\"", "\"telecomm\"")).unwrap();
    hang_up(&demo).await;
    assert!(demo.log().contains("telecomm"), "the fault is not said: {}", demo.log());
    assert_eq!(demo.get(&token, "/fhir/Patient/p0001").await.status, 200, "the last accepted policy stays in force");

    let without_patients = shipped.split("[[role.scheduler.grant]]").filter(|part| !part.contains("\"Patient\""));
    std::fs::write(&file, without_patients.collect::<Vec<_>>().join("[[role.scheduler.grant]]")).unwrap();
    hang_up(&demo).await;
    assert_eq!(demo.get(&token, "/fhir/Patient/p0001").await.status, 403, "{}", demo.log());

    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(served.load(Ordering::Relaxed) > 10);
}

/// Sends SIGHUP and waits until something is said of it.
pub(crate) async fn hang_up(demo: &Demo) {
    let before = demo.log().len();
    assert!(Command::new("kill").args(["-HUP", &demo.process().to_string()]).status().unwrap().success());
    // The difference of two policies is exact, and takes its time in a debug build on a busy machine.
    for _ in 0..2_400 {
        let log = demo.log();
        let said = log.get(before..).unwrap_or_default();
        if said.contains("stays in force") || said.contains("are in force") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was said of SIGHUP: {}", demo.log());
}
